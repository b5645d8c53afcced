// The demo page: one subscription of the official SDK, shown as it happens. The channel is "demo", or ?channel=NAME;
// a visitor with a connection token passes ?token=JWT.
import { Centrifuge } from "centrifuge";

const MESSAGES_MAX = 200;

const query = new URLSearchParams(location.search);
const channel = query.get("channel") || "demo";
const token = query.get("token") || "";
const endpoint = `${location.protocol === "https:" ? "wss:" : "ws:"}//${location.host}/connection/websocket`;

const element = (id) => document.getElementById(id);

function showProblem(text) {
  element("problem").textContent = text;
  element("problem").hidden = !text;
}

function showState({ newState }) {
  element("state").textContent = newState;
  element("state").dataset.state = newState;
  if (newState !== "connected") element("client").textContent = "none";
}

function showPosition(offset) {
  if (offset !== undefined) element("position").textContent = String(offset);
}

// What an object like {"text": "…"} says; any other payload as JSON.
function textOf(data) {
  return typeof data?.text === "string" ? data.text : JSON.stringify(data);
}

function senderOf(publication) {
  if (!publication.info) return "over the API";
  return publication.info.user || `visitor ${publication.info.client.slice(0, 8)}`;
}

function showPublication(publication) {
  const text = document.createElement("span");
  text.className = "text";
  text.textContent = textOf(publication.data);
  const info = document.createElement("time");
  info.className = "info";
  info.textContent = `${senderOf(publication)} · ${new Date().toLocaleTimeString()}`;
  const item = document.createElement("li");
  item.append(text, info);

  const list = element("messages");
  list.prepend(item);
  while (list.children.length > MESSAGES_MAX) list.lastElementChild.remove();
  element("empty").hidden = true;
  showPosition(publication.offset);
}

const client = new Centrifuge(endpoint, token ? { token } : {});
client.on("state", showState);
client.on("connected", (context) => {
  element("client").textContent = context.client;
  showProblem("");
});
client.on("disconnected", ({ code, reason }) => showProblem(`Disconnected: ${reason} (${code}).`));

const subscription = client.newSubscription(channel);
subscription.on("publication", showPublication);
subscription.on("subscribed", (context) => {
  element("send").disabled = false;
  showPosition(context.streamPosition?.offset);
  if (context.wasRecovering && !context.recovered) {
    showProblem("Some messages were missed while the connection was lost and could not be recovered.");
  }
});
subscription.on("subscribing", () => {
  element("send").disabled = true;
});
subscription.on("unsubscribed", ({ code, reason }) => {
  element("send").disabled = true;
  showProblem(`Not subscribed to ${channel}: ${reason} (${code}).`);
});

element("publish").addEventListener("submit", async (event) => {
  event.preventDefault();
  const input = element("text");
  try {
    await subscription.publish({ text: input.value });
    input.value = "";
    showProblem("");
  } catch (error) {
    showProblem(`Not published: ${error.message} (${error.code}).`);
  }
});

element("channel").textContent = channel;
const command = JSON.stringify({ channel, data: { text: "Hello from the API" } }).replaceAll("'", "\\u0027");
element("command").textContent = `curl -H 'X-API-Key: KEY' -d '${command}' ${location.origin}/api/publish`;
subscription.subscribe();
client.connect();
