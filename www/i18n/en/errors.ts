/** English words per error code of the engine: what was found, and what is allowed. */
export const errors = {
  "error.json": "the recipe is not valid JSON: {found}",
  "error.unknown-field": "{path} has an unknown field, {found}; known are {allowed}",
  "error.missing-field": "{path} is missing; allowed: {allowed}",
  "error.type": "{path} is {found}, but should be {allowed}",
  "error.range": "{path} is {found}, outside {allowed}",
  "error.unknown-id": "{path} is {found}; known are {allowed}",
  "error.combination": "{path}: this combination does not work ({found}); possible: {allowed}",
  "error.version": "{path} is version {found}; this engine reads {allowed}",
  "error.asset": "the file {path} could not be loaded ({found})",
  "error.checksum": "{path} is not the file it should be: {found}; expected {allowed}",
  "error.internal": "the engine stopped: {found}",
  "error.unsupported":
    "this browser lacks what the engine needs ({found}); Safari 16.4, Chrome 91 or Firefox 89 and later have it",
  "error.unknown": "{found}",
} as const;
