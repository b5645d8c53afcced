// Streams: recovery, positions, caches, deltas.
import assert from "node:assert/strict";
import {
  api, connected, isProtobuf, networkDown, networkUp, play, publish, relay, restartServer, subscribed, token, unpack,
} from "./kit.mjs";

// Large documents that differ little, but for one; the third edit makes another character of the same first byte.
let state = 1;
const words = Array.from({ length: 1000 }, () => (state = (state * 48271) % 0x7fffffff).toString(16).padStart(8, "0"));
const text = words.join(" ");
const pages = [
  { page: `${text} é`, edit: 0 }, { page: `${text} é`, edit: 1 }, { page: `Vorwort: ${text} é`, edit: 2 },
  { page: `Vorwort: ${text} ü`, edit: 3 }, { page: `Vorwort: ${text} ü!`, edit: 4 }, { page: "nothing", edit: 5 },
  { page: text, edit: 6 }, { page: `${text}!`, edit: 7 },
];

// Publishes, and is whether a delta came rather than the full document. It is the document in any case.
async function edit(subscription, document) {
  const before = subscription.deltaStats().numDeltaPayloads;
  await publish(subscription.channel, document);
  assert.deepEqual(await subscription.events.payloads(1), [document]);
  return subscription.deltaStats().numDeltaPayloads > before;
}

const scenarios = {
  async recovers_what_it_missed() {
    const client = await connected({}, relay);
    const subscription = await subscribed(client, "news");
    assert.deepEqual([subscription.greeting.recoverable, subscription.greeting.wasRecovering], [true, false]);
    await publish("news", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);

    await networkDown();
    await client.events.next("connecting"); // the first attempt
    assert.equal((await client.events.next("connecting")).code, 1);
    for (const data of [2, 3, 4]) await publish("news", data);
    await networkUp();

    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered, again.hasRecoveredPublications], [true, true, true]);
    assert.equal(again.streamPosition.epoch, subscription.greeting.streamPosition.epoch);
    await publish("news", 5);
    const offsets = [];
    const data = [];
    while (data.length < 4) {
      const publication = await subscription.events.next("publication");
      offsets.push(publication.offset);
      data.push(unpack(publication.data));
    }
    assert.deepEqual([offsets, data], [[2, 3, 4, 5], [2, 3, 4, 5]]);
  },

  async recovers_without_having_missed_anything() {
    const subscription = await subscribed(await connected({}, relay), "news");
    await publish("news", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    await networkDown();
    await networkUp();
    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered, again.hasRecoveredPublications], [true, true, false]);
    await publish("news", 2);
    assert.deepEqual(await subscription.events.payloads(1), [2]);
  },

  async is_told_when_history_does_not_reach_back() {
    const client = await connected({}, relay);
    const subscription = await subscribed(client, "short:news");
    await publish("short:news", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);

    await networkDown();
    await subscription.events.next("subscribing"); // the first attempt
    await subscription.events.next("subscribing");
    for (const data of [2, 3, 4, 5]) await publish("short:news", data);
    await networkUp();

    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered, again.hasRecoveredPublications], [true, false, false]);
    assert.equal(again.streamPosition.offset, 5);
    await publish("short:news", 6);
    assert.deepEqual(await subscription.events.payloads(1), [6]);
  },

  async begins_where_it_says() {
    for (const data of [1, 2, 3]) await publish("news", data);
    const { epoch } = await api("history", { channel: "news" });
    const subscription = await subscribed(await connected(), "news", { since: { offset: 1, epoch } });
    assert.deepEqual([subscription.greeting.wasRecovering, subscription.greeting.recovered], [true, true]);
    assert.deepEqual(await subscription.events.payloads(2), [2, 3]);
  },

  async has_the_positions_that_it_asks_for() {
    const client = await connected({}, relay);
    const nothing = await subscribed(client, "asked:nothing");
    const position = await subscribed(client, "asked:position", { positioned: true });
    const recovery = await subscribed(client, "asked:recovery", { recoverable: true });
    const plain = await subscribed(client, "plain:room", { positioned: true, recoverable: true });
    for (const [{ greeting }, ...granted] of [
      [nothing, false, false, false], [position, true, false, true], [recovery, true, true, true],
      [plain, false, false, false],
    ]) {
      const got = [greeting.positioned, greeting.recoverable, greeting.streamPosition !== undefined];
      assert.deepEqual(got, granted, greeting.channel);
    }
    const channels = [nothing, position, recovery].map(({ channel }) => channel);
    const everywhere = (data) => api("broadcast", { channels, data });
    await everywhere(1);
    for (const { events } of [nothing, position, recovery]) assert.deepEqual(await events.payloads(1), [1]);
    await networkDown();
    await client.events.next("connecting"); // the first attempt
    await client.events.next("connecting");
    await everywhere(2);
    await networkUp();
    for (const subscription of [nothing, position, recovery]) {
      const { wasRecovering, recovered } = await subscription.events.next("subscribed");
      const expected = subscription === recovery;
      assert.deepEqual([wasRecovering, recovered], [expected, expected], subscription.channel);
    }
    await everywhere(3);
    assert.deepEqual(await nothing.events.payloads(1), [3]);
    assert.deepEqual(await position.events.payloads(1), [3]);
    assert.deepEqual(await recovery.events.payloads(2), [2, 3]);
  },

  // The stream is forgotten while the subscription is alive: the server sees it by itself.
  async is_told_that_its_stream_is_another() {
    const client = await connected();
    const subscription = await subscribed(client, "fleeting:stream");
    await subscription.events.next("subscribing"); // the first attempt
    const { code, reason } = await subscription.events.next("subscribing");
    assert.deepEqual([code, reason], [2500, "insufficient state"]);
    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered], [true, false]);
    assert.notEqual(again.streamPosition.epoch, subscription.greeting.streamPosition.epoch);
    assert.equal(client.events.count("connected"), 1);
  },

  async reconnects_when_the_stream_of_the_servers_subscription_is_another() {
    const client = await connected({ token: await token({ sub: "42", channels: ["fleeting:stream"] }) });
    const first = await client.events.next("subscribed");
    await client.events.next("connecting"); // the first attempt
    assert.deepEqual(await client.events.next("connecting"), { code: 3010, reason: "insufficient state" });
    const again = await client.events.next("subscribed");
    assert.deepEqual([again.channel, again.wasRecovering, again.recovered], ["fleeting:stream", true, false]);
    assert.notEqual(again.streamPosition.epoch, first.streamPosition.epoch);
  },

  // An application that has its state elsewhere asks for what came behind it, and loads it again when that is not to be
  // had.
  async loads_its_state_again_when_it_cannot_recover() {
    for (const data of [1, 2]) await publish("news", data);
    let [loaded, offset] = [0, 1]; // the state has the first publication
    const subscription = await subscribed(await connected(), "news", {
      getState: async () => {
        ++loaded;
        return { offset, epoch: (await api("history", { channel: "news" })).epoch };
      },
    });
    assert.deepEqual([subscription.greeting.wasRecovering, subscription.greeting.recovered], [true, true]);
    assert.deepEqual(await subscription.events.payloads(1), [2]);
    assert.equal(loaded, 1);

    offset = 0;
    await restartServer();
    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered, loaded], [true, true, 2]);
    await publish("news", 3);
    assert.deepEqual(await subscription.events.payloads(1), [3]);
  },

  async recovers_the_newest_from_a_cache() {
    const client = await connected({}, relay);
    const subscription = await subscribed(client, "cache:price");
    await client.events.next("connecting"); // the first attempt
    await publish("cache:price", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    const missing = async (...values) => {
      await networkDown();
      await client.events.next("connecting");
      for (const value of values) await publish("cache:price", value);
      await networkUp();
      const again = await subscription.events.next("subscribed");
      assert.deepEqual([again.wasRecovering, again.recovered], [true, true]);
      assert.equal(again.hasRecoveredPublications, values.length > 0);
    };
    for (const newest of [4, 7]) {
      await missing(newest - 2, newest - 1, newest);
      const { data, offset } = await subscription.events.next("publication");
      assert.deepEqual([unpack(data), offset], [newest, newest]);
    }
    await missing();
    await publish("cache:price", 8);
    assert.deepEqual(await subscription.events.payloads(1), [8]); // and not what it has already
  },

  async gets_the_newest_with_every_subscription() {
    for (const data of [1, 2, 3]) await publish("newest:price", data);
    const theirs = await connected({ token: await token({ sub: "42", channels: ["newest:price"] }) });
    const { channel, data, offset } = await theirs.events.next("publication");
    assert.deepEqual([channel, unpack(data), offset], ["newest:price", 3, 3]);

    const ours = await subscribed(await connected(), "newest:price");
    assert.deepEqual([ours.greeting.wasRecovering, ours.greeting.recovered], [true, true]);
    await publish("newest:price", 4);
    assert.deepEqual(await ours.events.payloads(2), [3, 4]);
    assert.deepEqual(await theirs.events.payloads(1), [4]);
  },

  async decodes_deltas() {
    const subscription = await subscribed(await connected(), "delta:page", { delta: "fossil" });
    const deltas = [];
    for (const page of pages) deltas.push(await edit(subscription, page));
    // In JSON a delta cannot cut a character; "nothing" is short itself, and no base for what follows it.
    assert.deepEqual(deltas, [false, true, true, isProtobuf, true, deltas[5], false, true]);
  },

  async continues_deltas_after_recovery() {
    const client = await connected({}, relay);
    const subscription = await subscribed(client, "delta:page", { delta: "fossil" });
    await client.events.next("connecting"); // the first attempt
    assert.deepEqual([await edit(subscription, pages[0]), await edit(subscription, pages[1])], [false, true]);
    const missing = async (...values) => {
      await networkDown();
      await client.events.next("connecting");
      for (const value of values) await publish("delta:page", value);
      const before = subscription.deltaStats();
      await networkUp();
      const again = await subscription.events.next("subscribed");
      assert.deepEqual([again.wasRecovering, again.recovered], [true, true]);
      assert.deepEqual(await subscription.events.payloads(values.length), values);
      const now = subscription.deltaStats();
      return [now.numFullPayloads - before.numFullPayloads, now.numDeltaPayloads - before.numDeltaPayloads];
    };
    assert.deepEqual(await missing(pages[0], pages[1], pages[2], pages[0]), [1, 3]);
    assert.equal(await edit(subscription, pages[1]), true);
    assert.deepEqual(await missing(), [0, 0]);
    // Nothing missed may be nothing had: the next comes whole, since the server cannot know.
    assert.deepEqual([await edit(subscription, pages[2]), await edit(subscription, pages[1])], [false, true]);
  },

  async begins_deltas_afresh_without_recovery() {
    const client = await connected({}, relay);
    const subscription = await subscribed(client, "live:page", { delta: "fossil" });
    await client.events.next("connecting"); // the first attempt
    assert.deepEqual([subscription.greeting.positioned, subscription.greeting.recoverable], [true, false]);
    assert.deepEqual([await edit(subscription, pages[0]), await edit(subscription, pages[1])], [false, true]);
    await networkDown();
    await client.events.next("connecting");
    await publish("live:page", pages[0]);
    await networkUp();
    assert.equal((await subscription.events.next("subscribed")).wasRecovering, false);
    assert.deepEqual([await edit(subscription, pages[1]), await edit(subscription, pages[2])], [false, true]);
  },

  async gets_full_data_where_deltas_are_not_allowed() {
    const subscription = await subscribed(await connected(), "news", { delta: "fossil" });
    for (const page of pages.slice(0, 3)) {
      await publish("news", page);
      assert.deepEqual(await subscription.events.payloads(1), [page]);
    }
    assert.equal(subscription.deltaStats().numDeltaPayloads, 0);
  },
};

await play(scenarios);
