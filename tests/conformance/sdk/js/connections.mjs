// Connections: identity, refresh, what the server does to a connection, calls.
import assert from "node:assert/strict";
import {
  api, connected, newClient, newSubscription, pack, play, publish, rejectsWith, restartServer, subscribed, token,
  unpack, unpackOptional, user,
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

  // The fourth request for a token proves that refreshes were believed: the first token's time is over by then.
  async refreshes_its_token() {
    let asked = 0;
    const fourth = Promise.withResolvers();
    const client = await connected({
      getToken: () => {
        if (++asked === 4) fourth.resolve();
        return token({ sub: "42" }, 2);
      },
    });
    const subscription = await subscribed(client, "news");
    await fourth.promise;
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

  async gets_another_token_for_one_that_came_too_late() {
    let asked = 0;
    const client = await connected({ getToken: () => token({ sub: "42" }, [2, -10][asked++] ?? null) });
    await client.events.next("connecting"); // the first attempt
    assert.deepEqual(await client.events.next("connecting"), { code: 3005, reason: "connection expired" });
    await client.events.next("connected");
    assert.equal(asked, 3);
  },

  // Each token tells another info; publications carry that of the newest one.
  async tells_the_info_of_its_newest_token() {
    let asked = 0;
    const [published, believed] = [Promise.withResolvers(), Promise.withResolvers()];
    const client = await connected({
      getToken: async () => {
        const number = ++asked;
        if (number === 2) await published.promise;
        if (number === 3) believed.resolve(); // the second has been answered
        return token({ sub: "42", info: { token: Math.min(number, 2) } }, 2);
      },
    });
    const subscription = await subscribed(client, "news");
    const info = async () => {
      await subscription.publish(pack("hello"));
      return unpack((await subscription.events.next("publication")).info.connInfo);
    };
    assert.deepEqual(await info(), { token: 1 });
    published.resolve();
    await believed.promise;
    assert.deepEqual(await info(), { token: 2 });
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

  // Nothing listens to messages without a channel; the server says so, for good.
  async is_disconnected_for_a_message() {
    const client = await connected();
    await client.send(pack({ text: "anybody there?" }));
    assert.deepEqual(await client.events.next("disconnected"), { code: 3508, reason: "not available" });
  },

  async keeps_one_connection_of_a_user() {
    const [first, other, second] = [await user("42"), await user("43"), await user("42")];
    for (const [client, channel] of [[first, "own:#42"], [other, "own:#43"], [second, "own:#42"]]) {
      assert.equal((await client.events.next("subscribed")).channel, channel);
    }
    assert.deepEqual(await first.events.next("disconnected"), { code: 3504, reason: "connection limit" });

    await publish("own:#42", { for: 42 });
    await publish("own:#43", { for: 43 });
    const { channel, data } = await second.events.next("publication");
    assert.deepEqual([channel, unpack(data)], ["own:#42", { for: 42 }]);
    assert.deepEqual(await other.events.payloads(1), [{ for: 43 }]);
    assert.equal(first.events.count("publication"), 0);
  },

  async calls_no_methods() {
    await rejectsWith(108, (await connected()).rpc("anything", pack({})));
  },

  async calls_the_method_ping() {
    const client = await connected();
    assert.equal(unpackOptional((await client.rpc("ping", pack({}))).data), null);
    await rejectsWith(104, client.rpc("anything", pack({})));
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
};

await play(scenarios);
