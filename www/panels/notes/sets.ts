/** Sets that the data command packs when their packages are present; never part of a copy. */
export const OPTIONAL_SETS = ["mnist", "cifar10"] as const;
