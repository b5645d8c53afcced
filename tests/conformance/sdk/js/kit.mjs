// What scenarios need: the SDK, the side that owns server and network, and events as something to wait for.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const facts = JSON.parse(process.env.GYRE_SCENARIO);
const require = createRequire(`${facts.modules}/`);
const questions = new Map();
let lastQuestion = 0;

// Standard output belongs to ask.
console.log = console.error;

const answers = createInterface({ input: process.stdin });
answers.on("line", (line) => {
  const { id, result, error } = JSON.parse(line);
  const { resolve, reject } = questions.get(id);
  questions.delete(id);
  if (error === undefined) resolve(result);
  else reject(new Error(error));
});

// Has the other side do something: restart, up, down, token, api.
function ask(what, ...parameters) {
  const id = ++lastQuestion;
  process.stdout.write(`${JSON.stringify({ id, do: what, with: parameters })}\n`);
  return new Promise((resolve, reject) => questions.set(id, { resolve, reject }));
}

export const load = (name) => require(name);
export const page = facts.page;
export const relay = facts.relay;
export const networkDown = () => ask("down");
export const networkUp = () => ask("up");
export const restartServer = () => ask("restart");
// How many bytes the relay has let through to clients.
export const forwarded = () => ask("forwarded");
// A token with these claims; `lifetime` in seconds.
export const token = (claims, lifetime = null) => ask("token", claims, lifetime);
// One that an identity provider signs.
export const signed = (provider, claims) => ask("signed", provider, claims);
// The next question about it to the backend.
export const asked = (event) => ask("asked", event);

// The result of a call of the server API.
export async function api(method, request) {
  const answer = await ask("api", method, request);
  assert.equal(answer.error, undefined, `/api/${method} ${JSON.stringify(request)}: ${JSON.stringify(answer.error)}`);
  return answer.result;
}

export const publish = (channel, data) => api("publish", { channel, data });

// Payloads: values in JSON, bytes in Protobuf.
export const isProtobuf = facts.format === "protobuf";
export const pack = (value) => (isProtobuf ? new TextEncoder().encode(JSON.stringify(value)) : value);
export const unpack = (data) => (isProtobuf ? JSON.parse(new TextDecoder().decode(data)) : data);

export const unpackOptional = (data) => (data == null || data.length === 0 ? null : unpack(data));

// What is known about a client.
export const who = ({ client, user: name, connInfo, chanInfo }) =>
  [client, name, unpackOptional(connInfo), unpackOptional(chanInfo)];

export function within(promise, what) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what}: not within ${facts.wait} ms`)), facts.wait);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

const EVENTS = [
  "connecting", "connected", "disconnected", "subscribing", "subscribed", "unsubscribed", "publication", "join",
  "leave", "error",
];

// The events of a client or a subscription. next(name) is the first event of that name that nobody has taken yet.
class Events {
  constructor(label, emitter) {
    this.label = label;
    this.history = [];
    this.untaken = new Map(EVENTS.map((name) => [name, []]));
    this.waiting = new Map();
    for (const name of EVENTS) emitter.on(name, (context) => this.add(name, context));
    everything.push(this);
  }

  add(name, context) {
    this.history.push([name, context]);
    const resolve = this.waiting.get(name)?.shift();
    if (resolve) resolve(context);
    else this.untaken.get(name).push(context);
  }

  next(name) {
    const queue = this.untaken.get(name);
    if (queue.length > 0) return Promise.resolve(queue.shift());
    const event = new Promise((resolve) => {
      if (!this.waiting.has(name)) this.waiting.set(name, []);
      this.waiting.get(name).push(resolve);
    });
    return within(event, `event ${name} of ${this.label}`);
  }

  // The payloads of the next publications.
  async payloads(count) {
    const result = [];
    while (result.length < count) result.push(unpack((await this.next("publication")).data));
    return result;
  }

  // What came with the events of a name so far.
  all(name) {
    return this.history.filter(([event]) => event === name).map(([, context]) => context);
  }

  count(name) {
    return this.all(name).length;
  }
}

const everything = [];
const clients = [];

// A client of the SDK, not yet connected. `client.events` has what happens to it.
export function newClient(options = {}, url = facts.url) {
  const { Centrifuge } = load(isProtobuf ? "centrifuge/build/protobuf" : "centrifuge");
  const client = new Centrifuge(url, {
    websocket: load("ws"), minReconnectDelay: 20, maxReconnectDelay: 200, timeout: facts.wait, ...options,
  });
  client.events = new Events(`client ${clients.length + 1}`, client);
  clients.push(client);
  return client;
}

export async function connected(options, url) {
  const client = newClient(options, url);
  client.connect();
  client.greeting = await client.events.next("connected");
  return client;
}

// Connected with a token of this user.
export const user = async (name, claims) => connected({ token: await token({ sub: name, ...claims }) });

// Not yet connected; the backend knows it by a header, which the SDK emulates.
export const visitor = (name, options = {}) => newClient({ headers: { Authorization: name }, ...options }, relay);

export const endOf = (client) => client.events.next("disconnected");

// With which code and reason a connection ends instead of beginning.
export function gone(options) {
  const client = newClient(options);
  client.connect();
  return endOf(client);
}

export function newSubscription(client, channel, options = {}) {
  const subscription = client.newSubscription(channel, {
    minResubscribeDelay: 20, maxResubscribeDelay: 200, ...options,
  });
  subscription.events = new Events(`subscription to ${channel}`, subscription);
  return subscription;
}

export async function subscribed(client, channel, options) {
  const subscription = newSubscription(client, channel, options);
  subscription.subscribe();
  subscription.greeting = await subscription.events.next("subscribed");
  return subscription;
}

// The code with which a subscription ends instead of beginning.
export async function refused(client, channel, options) {
  const subscription = newSubscription(client, channel, options);
  subscription.subscribe();
  return (await subscription.events.next("unsubscribed")).code;
}

export async function rejectsWith(code, promise) {
  await assert.rejects(promise, (error) => {
    assert.equal(error.code, code, `${JSON.stringify(error)}`);
    return true;
  });
}

// Runs the scenario that the command line names.
export async function play(scenarios) {
  const name = process.argv[2];
  try {
    await scenarios[name]();
  } catch (failure) {
    process.exitCode = 1;
    console.error(failure.stack ?? failure);
    for (const { label, history } of everything) {
      console.error(`${label}:`);
      for (const [event, context] of history) console.error(`  ${event} ${JSON.stringify(context)}`);
    }
  }
  for (const client of clients) client.disconnect();
  answers.close();
  process.stdin.destroy();
}
