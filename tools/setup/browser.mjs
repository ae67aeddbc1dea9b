// The system's Chromium and its driver, for the tests in a browser.
import { existsSync } from "node:fs";
import { refuse, run, Stop, which } from "./lib.mjs";

const CHROMIUM = ["chromium", "chromium-browser", "google-chrome-stable", "google-chrome"];
const MAC = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/** Full path of a Chromium, or null. CHROME_PATH goes first. */
export function findChromium() {
  if (process.env.CHROME_PATH) return process.env.CHROME_PATH;
  return CHROMIUM.map(which).find((path) => path !== null) ?? (existsSync(MAC) ? MAC : null);
}

/** Full path of chromedriver, or null. CHROMEDRIVER goes first. */
export function findDriver() {
  return process.env.CHROMEDRIVER ?? which("chromedriver");
}

/** Both there, installed from Debian's packages where this user may do that. */
export async function ensureBrowser() {
  if (findChromium() !== null && findDriver() !== null) return false;
  const packages = "chromium chromium-driver";
  const debian = existsSync("/etc/debian_version") && which("apt-get") !== null;
  if (!debian || process.getuid?.() !== 0) {
    const how = debian
      ? `\`sudo apt-get install ${packages}\``
      : "install Chromium or Chrome, and the chromedriver of its version";
    throw new Stop(`The tests need Chromium and chromedriver in PATH: ${how}, then run this again.`);
  }
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  for (const args of [["update"], ["install", "-y", "--no-install-recommends", ...packages.split(" ")]]) {
    const result = await run("apt-get", args, { env });
    if (result.code !== 0) refuse(`Debian's ${packages}`, `\`apt-get ${args.join(" ")}\` failed.`, result.output);
  }
  return true;
}
