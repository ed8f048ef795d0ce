// node browse.mjs CHROMIUM URL USER PASSWORD SCREENSHOT — opens the page of the orders API in a real Chromium, does what
// a person would do, and prints as JSON what that person would see.

import { chromium } from "playwright-core";

const [executablePath, url, user, password, screenshot] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath,
  chromiumSandbox: false,
  args: [
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});
try {
  const page = await browser.newPage({ viewport: { width: 1060, height: 900 } });
  const trouble = [];
  const hosts = new Set();
  page.on("console", (message) => message.type() === "error" && trouble.push(message.text()));
  page.on("pageerror", (error) => trouble.push(String(error)));
  page.on("request", (request) => hosts.add(new URL(request.url()).hostname));

  const seen = {};
  await page.clock.install();
  await page.goto(url);
  await page.waitForSelector("body[data-ready=yes]");
  await page.fill("#username", user);
  await page.fill("#password", password);
  await page.click("#sign-in button");
  await page.waitForSelector("#person:not([hidden])");
  seen.who = await page.textContent("#who");
  seen.subject = await page.textContent("#subject");
  seen.scopes = await page.locator("#scopes span").allTextContents();
  seen.buttons = { list: await page.isVisible("#list"), place: await page.isVisible("#place") };
  seen.verdict = await code(page, "#verdict");
  seen.gateway = await code(page, "#gateway");

  await page.click("#list");
  await page.waitForSelector("#answer-line:not([hidden])");
  seen.list = await page.textContent("#answer-line");
  // The refusals below are on purpose: a browser reports every 401 as an error of the page.
  seen.trouble = [...trouble];

  await page.click("#change");
  seen.changed = { verdict: await code(page, "#verdict"), gateway: await code(page, "#gateway") };
  if (screenshot) await page.screenshot({ path: screenshot, fullPage: true });
  await page.click("#restore");
  seen.restored = { verdict: await code(page, "#verdict"), gateway: await code(page, "#gateway") };
  await page.clock.fastForward("16:00");
  await page.waitForSelector("#sign-in:not([hidden])");
  seen.expired = { who: await page.textContent("#who"), said: await page.textContent("#trouble") };
  seen.hosts = [...hosts];
  console.log(JSON.stringify(seen));
} finally {
  await browser.close();
}

async function code(page, place) {
  const settled = page.locator(`${place}:not([data-code=""])`);
  await settled.waitFor();
  return settled.getAttribute("data-code");
}
