// The demo page in a real browser.
import assert from "node:assert/strict";
import { api, connected, load, page, play, restartServer, subscribed } from "./kit.mjs";

const BROWSER = "/usr/bin/chromium"; // Debian's; nothing is downloaded

async function inBrowser(visit) {
  // Chromium's sandbox refuses to run as root.
  const browser = await load("playwright-core").chromium.launch({ executablePath: BROWSER, args: ["--no-sandbox"] });
  try {
    const tab = await browser.newPage();
    const problems = [];
    tab.on("pageerror", (error) => problems.push(`${error}`));
    tab.on("response", (response) => response.ok() || problems.push(`${response.status()} ${response.url()}`));
    // What explains a page that does not get where it should; no problem by itself, as a restart is part of a story.
    const seen = [];
    tab.on("console", (message) => seen.push(message.text()));
    tab.on("requestfailed", (request) => seen.push(`${request.url()}: ${request.failure().errorText}`));
    tab.on("websocket", (socket) => {
      seen.push(`${socket.url()} is opened`);
      socket.on("socketerror", (error) => seen.push(`${socket.url()}: ${error}`));
      socket.on("close", () => seen.push(`${socket.url()} is closed`));
    });
    try {
      await visit(tab);
    } catch (failure) {
      console.error([...problems, ...seen].join("\n"));
      throw failure;
    }
    assert.deepEqual(problems, []);
  } finally {
    await browser.close();
  }
}

const shown = (tab, text) => tab.locator("#messages .text", { hasText: text }).first().waitFor();
const isConnected = (tab) => tab.locator("#state[data-state=connected]").waitFor();

const scenarios = {
  async shows_what_is_published() {
    await inBrowser(async (tab) => {
      await tab.goto(`${page}/demo`);
      await tab.locator("#send:enabled").waitFor();
      await api("publish", { channel: "demo", data: { text: "Hello from the API" } });
      await shown(tab, "Hello from the API");
      assert.equal(await tab.locator("#position").textContent(), "1");
    });
  },

  async publishes_what_the_visitor_says() {
    const subscription = await subscribed(await connected(), "another");
    await inBrowser(async (tab) => {
      await tab.goto(`${page}/demo?channel=another`);
      await tab.locator("#send:enabled").waitFor();
      await tab.fill("#text", "<b>Hello</b> from the page");
      await tab.click("#send");
      await shown(tab, "<b>Hello</b> from the page");
    });
    assert.deepEqual(await subscription.events.payloads(1), [{ text: "<b>Hello</b> from the page" }]);
  },

  async comes_back_after_a_restart() {
    await inBrowser(async (tab) => {
      await tab.goto(`${page}/demo`);
      await isConnected(tab);
      const before = await tab.locator("#client").textContent();
      await restartServer();
      await tab.waitForFunction((id) => {
        const now = document.getElementById("client").textContent;
        return now !== "none" && now !== id && !document.getElementById("send").disabled;
      }, before);
      await api("publish", { channel: "demo", data: { text: "after the restart" } });
      await shown(tab, "after the restart");
    });
  },
};

await play(scenarios);
