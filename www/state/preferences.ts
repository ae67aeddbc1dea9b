/** Theme and language: what the system says, unless chosen otherwise. Storage may be missing or throw. */

import { isLanguage, type Language } from "../i18n";

export type Theme = "auto" | "light" | "dark";

const THEMES: readonly Theme[] = ["auto", "light", "dark"];

/** Where settings are kept: the browser's storage, or nothing that lasts. */
export interface Keep {
  get(key: string): string | undefined;
  /** Whether the value will be there next time. */
  set(key: string, value: string): boolean;
}

/** The browser's storage; reading the property itself may throw. */
export function browserKeep(page: { readonly localStorage: Storage }): Keep {
  return {
    get(key) {
      try {
        return page.localStorage.getItem(key) ?? undefined;
      } catch {
        return undefined;
      }
    },
    set(key, value) {
      try {
        page.localStorage.setItem(key, value);
        return true;
      } catch {
        return false;
      }
    },
  };
}

export function storedTheme(keep: Keep): Theme {
  return THEMES.find((theme) => theme === keep.get("featherweight.theme")) ?? "auto";
}

export function nextTheme(theme: Theme): Theme {
  return THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length] ?? "auto";
}

/** The stored language, else the first of the system's languages that the page speaks, else English. */
export function startLanguage(keep: Keep, languages: readonly string[]): Language {
  const stored = keep.get("featherweight.language");
  if (isLanguage(stored)) return stored;
  for (const tag of languages) {
    const language = tag.toLowerCase().split("-")[0];
    if (isLanguage(language)) return language;
  }
  return "en";
}
