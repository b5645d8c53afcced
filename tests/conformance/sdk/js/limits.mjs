// What channels are by their shape, what they carry, and what a client is held to.
import assert from "node:assert/strict";
import {
  api, endOf, gone, isProtobuf, newSubscription, pack, play, refused, rejectsWith, subscribed, token, unpack, user,
} from "./kit.mjs";

const scenarios = {
  async finds_namespaces_by_the_shape_of_channels() {
    const client = await user("42");
    const room = await subscribed(client, "/rooms/1");
    assert.equal((await room.events.next("join")).info.user, "42");
    await room.publish(pack("hello"));
    assert.deepEqual(await room.events.payloads(1), ["hello"]);
    await rejectsWith(107, client.publish("/boxes/ann/1", pack([1])));
    await client.publish("/boxes/ann/1", pack({ in: "the box" }));
    const { publications } = await api("history", { channel: "/boxes/ann/1", limit: 10 });
    assert.deepEqual(publications.map(({ data }) => data), [{ in: "the box" }]);
    for (const [channel, code] of [
      ["/boxes/ann/1", 103], ["/rooms/1/2", 102], ["/nowhere", 102], ["feed.sport", 103], ["$/rooms/2", 103],
    ]) {
      assert.equal(await refused(client, channel), code, channel);
    }
    await subscribed(await user("43"), "$/rooms/2", { token: await token({ sub: "43", channel: "$/rooms/2" }) });
    await subscribed(client, "feeds");
  },

  async carries_the_format_of_its_namespace() {
    const client = await user("42");
    const [text, raw] = [await subscribed(client, "text:a"), await subscribed(client, "raw:a")];
    for (const value of [[1, "x"], "y", null, { z: 0 }]) {
      for (const subscription of [text, raw]) {
        await subscription.publish(pack(value));
        assert.deepEqual(await subscription.events.payloads(1), [value]);
      }
    }
    for (const value of [[1], "x"]) await rejectsWith(107, client.publish("objects:a", pack(value)));
    if (!isProtobuf) {
      await api("publish", { channel: "raw:a", b64data: "AP8=" }); // there is no JSON for it
      assert.deepEqual(await endOf(client), { code: 3506, reason: "inappropriate protocol" });
      return;
    }
    const [news, nothing] = [await subscribed(client, "news"), new Uint8Array()];
    await rejectsWith(107, text.publish(new TextEncoder().encode("{oops")));
    for (const subscription of [text, news]) await rejectsWith(107, subscription.publish(nothing));
    for (const data of [Uint8Array.of(0, 255), nothing]) {
      await raw.publish(data);
      assert.deepEqual(new Uint8Array((await raw.events.next("publication")).data), data);
    }
  },

  async is_in_one_page_of_presence() {
    const here = await subscribed(await user("0"), "room");
    for (const name of ["1", "2", "3", "4"]) await subscribed(await user(name), "room");
    const users = (clients) => Object.entries(clients).map(([id, info]) => [id, info.user]);
    const everybody = users((await here.presence()).clients);
    assert.equal(everybody.length, 5);
    const found = [];
    let cursor = "";
    do {
      const page = await api("presence", { channel: "room", limit: 2, cursor });
      const members = users(page.presence);
      assert.ok(members.length <= 2);
      found.push(...members);
      cursor = page.cursor ?? "";
    } while (cursor !== "");
    assert.deepEqual(found.sort(), everybody.sort());
  },

  async is_slowed_down_when_it_hurries() {
    const [client, again] = [await user("42"), await user("42")];
    const subscriptions = ["a", "b", "c"].map((channel) => newSubscription(client, channel));
    for (const subscription of subscriptions) subscription.subscribe();
    for (const { events } of subscriptions) await events.next("subscribed"); // the SDK tries again
    const errors = subscriptions.flatMap(({ events }) => events.all("error")).map(({ error }) => error.code);
    assert.deepEqual(new Set(errors), new Set([111]));

    const [mine] = subscriptions;
    for (const number of [0, 1]) await mine.publish(pack(number));
    await rejectsWith(111, mine.publish(pack(2)));
    assert.deepEqual(await mine.events.payloads(2), [0, 1]);
    const there = await subscribed(again, "a");
    for (const subscription of [mine, there]) await subscription.history({ limit: 1 });
    await rejectsWith(111, there.history({ limit: 1 })); // all connections of the user together
  },

  async is_held_to_its_limits() {
    const client = await user("42");
    const first = await subscribed(client, "a");
    for (const channel of ["b", "c"]) await subscribed(client, channel);
    assert.equal(await refused(client, "d"), 106);
    first.unsubscribe();
    await subscribed(client, "e");
    assert.deepEqual(await gone({ token: await token({ sub: "43", channels: ["a", "b", "c", "d"] }) }),
      { code: 3505, reason: "channel limit" });

    await user("42");
    assert.deepEqual(await gone({ token: await token({ sub: "42" }) }), { code: 3504, reason: "connection limit" });
    await user("43");

    await client.publish("b", pack("x".repeat(1000)));
    await assert.rejects(client.publish("b", pack("x".repeat(3000))));
    // What the SDK calls the end of a connection for a message that is too long.
    assert.deepEqual(await endOf(client), { code: 3, reason: "message size limit exceeded" });
  },
};

await play(scenarios);
