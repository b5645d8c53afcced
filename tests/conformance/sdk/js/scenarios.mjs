// What an application does with the official SDK, and what it may rely on. Each function runs once in JSON and once in
// Protobuf, against a server of its own.
import assert from "node:assert/strict";
import {
  api, connected, networkDown, networkUp, newClient, newSubscription, pack, play, publish, rejectsWith, relay,
  restartServer, subscribed, token, unpack,
} from "./kit.mjs";

const scenarios = {
  async connects_anonymously() {
    const client = await connected();
    assert.equal(client.greeting.transport, "websocket");
    assert.match(client.greeting.client, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    client.disconnect();
    assert.deepEqual(await client.events.next("disconnected"), { code: 0, reason: "disconnect called" });
  },

  async connects_with_a_token() {
    let asked = 0;
    const client = await connected({ getToken: () => (asked++, token({ sub: "42", info: { name: "Ada" } })) });
    await subscribed(client, "room");
    const { presence } = await api("presence", { channel: "room" });
    assert.deepEqual(presence, {
      [client.greeting.client]: { user: "42", client: client.greeting.client, conn_info: { name: "Ada" } },
    });
    assert.equal(asked, 1);
  },

  async is_refused_with_a_bad_token() {
    const client = newClient({ token: `${await token({ sub: "42" })}x` });
    client.connect();
    assert.deepEqual(await client.events.next("disconnected"), { code: 3500, reason: "invalid token" });
    assert.equal(client.events.count("connected"), 0);
  },

  async is_refused_without_credentials() {
    const client = newClient();
    client.connect();
    assert.deepEqual(await client.events.next("disconnected"), { code: 3501, reason: "bad request" });
  },

  async replaces_an_expired_token() {
    let asked = 0;
    const client = await connected({
      token: await token({ sub: "42" }, -10),
      getToken: () => (asked++, token({ sub: "42" })),
    });
    assert.equal(asked, 1);
    assert.equal(client.events.count("disconnected"), 0);
  },

  async delivers_publications() {
    const [writer, reader] = [await connected({ token: await token({ sub: "writer" }) }), await connected()];
    const [here, there] = [await subscribed(writer, "news"), await subscribed(reader, "news")];

    await here.publish(pack({ text: "grüß dich, 世界", n: 1.5 }));
    await api("publish", { channel: "news", data: { list: [1, null, true] }, tags: { kind: "api" } });

    for (const subscription of [here, there]) {
      const first = await subscription.events.next("publication");
      assert.deepEqual(unpack(first.data), { text: "grüß dich, 世界", n: 1.5 });
      assert.equal(first.offset, 1);
      assert.deepEqual([first.info.user, first.info.client], ["writer", writer.greeting.client]);
      const second = await subscription.events.next("publication");
      assert.deepEqual(unpack(second.data), { list: [1, null, true] });
      assert.equal(second.offset, 2);
      assert.deepEqual(second.tags, { kind: "api" });
      assert.equal(second.info, undefined);
    }
  },

  async keeps_the_order_of_many_publications() {
    const count = 250;
    const subscription = await subscribed(await connected(), "stream");
    const expected = Array.from({ length: count }, (_, i) => ({ i }));
    await api("batch", { commands: expected.map((data) => ({ publish: { channel: "stream", data } })) });
    assert.deepEqual(await subscription.events.payloads(count), expected);
  },

  async carries_bytes() {
    const bytes = Uint8Array.from({ length: 256 }, (_, i) => i);
    const client = await connected();
    const subscription = await subscribed(client, "bytes");
    await api("publish", { channel: "bytes", b64data: Buffer.from(bytes).toString("base64") });
    await subscription.publish(bytes);
    for (let i = 0; i < 2; ++i) {
      assert.deepEqual(new Uint8Array((await subscription.events.next("publication")).data), bytes);
    }
    const { publications } = await subscription.history({ limit: 10 });
    assert.deepEqual(publications.map(({ data }) => new Uint8Array(data)), [bytes, bytes]);
  },

  async sends_several_commands_in_one_frame() {
    const client = await connected();
    const subscriptions = ["a", "b", "c"].map((channel) => newSubscription(client, channel));
    client.startBatching();
    for (const subscription of subscriptions) subscription.subscribe();
    client.stopBatching();
    for (const { events } of subscriptions) await events.next("subscribed");
    await api("broadcast", { channels: ["a", "b", "c"], data: 7 });
    for (const { events } of subscriptions) assert.deepEqual(await events.payloads(1), [7]);
  },

  async shows_presence() {
    const [first, second] = [await connected({ token: await token({ sub: "one" }) }), await connected()];
    const [here, there] = [await subscribed(first, "room"), await subscribed(second, "room")];
    const users = async () => {
      const { clients } = await here.presence();
      return Object.fromEntries(Object.entries(clients).map(([id, { user, client }]) => [id, { user, client }]));
    };
    const one = { user: "one", client: first.greeting.client };
    const other = { user: "", client: second.greeting.client };

    assert.deepEqual(await users(), { [one.client]: one, [other.client]: other });
    assert.deepEqual(await there.presenceStats(), { numClients: 2, numUsers: 2 });
    there.unsubscribe();
    await rejectsWith(103, second.presence("room")); // and the server has handled what was sent before
    assert.deepEqual(await users(), { [one.client]: one });
  },

  async pages_through_history() {
    const subscription = await subscribed(await connected(), "pages");
    for (let i = 1; i <= 7; ++i) await publish("pages", { i });
    const top = await subscription.history({ limit: 0 });
    assert.deepEqual([top.publications, top.offset], [[], 7]);

    const pages = [];
    let since = { offset: 0, epoch: top.epoch };
    for (;;) {
      const page = await subscription.history({ limit: 3, since });
      assert.deepEqual([page.offset, page.epoch], [7, top.epoch]);
      if (page.publications.length === 0) break;
      pages.push(page.publications.map(({ data }) => unpack(data).i));
      since = { offset: page.publications.at(-1).offset, epoch: page.epoch };
    }
    assert.deepEqual(pages, [[1, 2, 3], [4, 5, 6], [7]]);

    const newest = await subscription.history({ limit: 2, reverse: true });
    assert.deepEqual(newest.publications.map(({ offset }) => offset), [7, 6]);
    await rejectsWith(112, subscription.history({ limit: 1, since: { offset: 1, epoch: "another" } }));
  },

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

  async reconnects_after_a_restart() {
    const client = await connected();
    const subscription = await subscribed(client, "news");
    await publish("news", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);

    await restartServer();
    await client.events.next("connecting"); // the first attempt
    assert.deepEqual(await client.events.next("connecting"), { code: 3001, reason: "shutdown" });
    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered], [true, false]);
    assert.notEqual(again.streamPosition.epoch, subscription.greeting.streamPosition.epoch);
    await publish("news", 2);
    assert.deepEqual(await subscription.events.payloads(1), [2]);
    assert.equal(client.events.count("disconnected"), 0);
  },

  async is_unsubscribed_by_the_server() {
    const client = await connected({ token: await token({ sub: "42" }) });
    const [left, kept] = [await subscribed(client, "left"), await subscribed(client, "kept")];
    await api("unsubscribe", { user: "42", channel: "left" });
    const { code, reason } = await left.events.next("unsubscribed");
    assert.deepEqual([code, reason], [2000, "server unsubscribe"]);

    await publish("left", 1);
    await publish("kept", 2);
    assert.deepEqual(await kept.events.payloads(1), [2]);
    assert.equal(left.events.count("publication"), 0);

    left.subscribe(); // from where it was: what it missed arrives
    assert.equal((await left.events.next("subscribed")).recovered, true);
    assert.deepEqual(await left.events.payloads(1), [1]);
  },

  async is_disconnected_by_the_server() {
    const client = await connected({ token: await token({ sub: "42" }) });
    await api("disconnect", { user: "42" });
    assert.deepEqual(await client.events.next("disconnected"), { code: 3503, reason: "force disconnect" });

    const other = await connected({ token: await token({ sub: "43" }) });
    await api("disconnect", { user: "43", disconnect: { code: 4501, reason: "gone for good" } });
    assert.deepEqual(await other.events.next("disconnected"), { code: 4501, reason: "gone for good" });
  },

  async reconnects_when_the_server_asks_for_it() {
    const client = await connected({ token: await token({ sub: "42" }) });
    await client.events.next("connecting"); // the first attempt
    await api("disconnect", { user: "42", disconnect: { code: 4001, reason: "come back" } });
    assert.deepEqual(await client.events.next("connecting"), { code: 4001, reason: "come back" });
    const again = await client.events.next("connected");
    assert.notEqual(again.client, client.greeting.client);
  },

  // The third request for a token proves that two refreshes were believed: the first token's time is over by then.
  async refreshes_its_token() {
    let asked = 0;
    let third;
    const refreshed = new Promise((resolve) => (third = resolve));
    const client = await connected({
      getToken: () => {
        if (++asked === 3) third();
        return token({ sub: "42" }, 2);
      },
    });
    const subscription = await subscribed(client, "news");
    await refreshed;
    await publish("news", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    assert.equal(client.events.count("connected"), 1);
  },

  async is_closed_when_its_token_is_not_refreshed() {
    const never = new Promise(() => {});
    const client = await connected({ token: await token({ sub: "42" }, 2), getToken: () => never });
    await client.events.next("connecting"); // the first attempt
    assert.deepEqual(await client.events.next("connecting"), { code: 3005, reason: "connection expired" });
  },

  async subscribes_with_a_token() {
    const client = await connected({ token: await token({ sub: "42" }) });
    const asked = [];
    const subscription = await subscribed(client, "closed:room", {
      getToken: ({ channel }) => {
        asked.push(channel);
        return token({ sub: "42", channel, info: { role: "guest" }, data: { welcome: true } });
      },
    });
    assert.deepEqual(asked, ["closed:room"]);
    assert.deepEqual(unpack(subscription.greeting.data), { welcome: true });
    const { presence } = await api("presence", { channel: "closed:room" });
    assert.deepEqual(presence[client.greeting.client].chan_info, { role: "guest" });

    const forged = newSubscription(client, "closed:other", { token: `${await token({ channel: "closed:other" })}x` });
    forged.subscribe();
    assert.equal((await forged.events.next("unsubscribed")).code, 103);
  },

  async refreshes_its_subscription_token() {
    let asked = 0;
    let third;
    const refreshed = new Promise((resolve) => (third = resolve));
    const subscription = await subscribed(await connected(), "closed:room", {
      getToken: ({ channel }) => {
        if (++asked === 3) third();
        return token({ channel }, 2);
      },
    });
    await refreshed;
    await publish("closed:room", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    assert.equal(subscription.events.count("subscribed"), 1);
  },

  async replaces_an_expired_subscription_token() {
    let asked = 0;
    await subscribed(await connected(), "closed:room", {
      token: await token({ channel: "closed:room" }, -10),
      getToken: ({ channel }) => (asked++, token({ channel })),
    });
    assert.equal(asked, 1);
  },

  async gets_the_subscriptions_of_its_token() {
    const client = newClient({ token: await token({ sub: "42", channels: ["mine"] }) }, relay);
    client.connect();
    const greeting = await client.events.next("subscribed");
    assert.deepEqual([greeting.channel, greeting.recoverable], ["mine", true]);
    await publish("mine", 1);
    const first = await client.events.next("publication");
    assert.deepEqual([first.channel, unpack(first.data), first.offset], ["mine", 1, 1]);

    await networkDown();
    await client.events.next("subscribing");
    for (const data of [2, 3]) await publish("mine", data);
    await networkUp();
    const again = await client.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered], [true, true]);
    assert.deepEqual(await client.events.payloads(2), [2, 3]);

    await api("unsubscribe", { user: "42", channel: "mine" });
    assert.equal((await client.events.next("unsubscribed")).channel, "mine");
  },

  async is_subscribed_by_the_server() {
    const client = await connected({ token: await token({ sub: "42" }) });
    await api("subscribe", { user: "42", channel: "closed:gift", data: { from: "server" } });
    const greeting = await client.events.next("subscribed");
    assert.deepEqual([greeting.channel, unpack(greeting.data)], ["closed:gift", { from: "server" }]);
    await publish("closed:gift", 1);
    assert.deepEqual(await client.events.payloads(1), [1]);
  },

  async learns_why_it_is_refused() {
    const client = await connected();
    for (const [channel, code, reason] of [
      ["closed:room", 103, "permission denied"], ["$private", 103, "permission denied"],
      ["nowhere:room", 102, "unknown channel"], ["l".repeat(300), 107, "bad request"],
    ]) {
      const subscription = newSubscription(client, channel);
      subscription.subscribe();
      assert.deepEqual(await subscription.events.next("unsubscribed"), { channel, code, reason });
    }
    await rejectsWith(103, client.publish("closed:room", pack(1)));
    await rejectsWith(102, client.publish("nowhere:room", pack(1)));
    const plain = await subscribed(client, "plain:room");
    await rejectsWith(108, plain.history({ limit: 1 }));
    await rejectsWith(108, plain.presence());
    await rejectsWith(108, client.rpc("method", pack({})));
    assert.equal(client.state, "connected");
  },
};

await play(scenarios);
