// Channels: publications, presence, join and leave, history, filters, permissions.
import assert from "node:assert/strict";
import {
  api, connected, forwarded, isProtobuf, networkDown, networkUp, newSubscription, pack, play, publish, refused,
  rejectsWith, relay, subscribed, token, unpack, user, who,
} from "./kit.mjs";

const scenarios = {
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

  async publishes_where_it_may() {
    const client = await user("42");
    const subscription = await subscribed(client, "news");
    await client.publish("news", pack("from the client"));
    await subscription.publish(pack("from the subscription"));
    assert.deepEqual(await subscription.events.payloads(2), ["from the client", "from the subscription"]);

    await rejectsWith(103, client.publish("stream", pack(1))); // only subscribers may
    await rejectsWith(103, client.publish("closed:room", pack(1)));
    await rejectsWith(102, client.publish("nowhere:room", pack(1)));
    await rejectsWith(107, client.publish("objects:box", pack([1])));
    await client.publish("objects:box", pack({ in: "the box" })); // without a subscription
    const { publications } = await api("history", { channel: "objects:box", limit: 10 });
    assert.deepEqual(publications, [
      { data: { in: "the box" }, offset: 1, info: { user: "42", client: client.greeting.client } },
    ]);
  },

  async shows_presence() {
    const first = await connected({ token: await token({ sub: "one", info: { name: "Ada" } }) });
    const [again, other] = [await user("one"), await connected()];
    const withRole = async (role) => ({ token: await token({ sub: "one", channel: "room", info: { role } }) });
    const here = await subscribed(first, "room", await withRole("host"));
    await subscribed(again, "room", await withRole("guest"));
    const there = await subscribed(other, "room");
    const present = async () => {
      const { clients } = await here.presence();
      return Object.fromEntries(Object.entries(clients).map(([id, info]) => [id, who(info)]));
    };
    const [host, guest, visitor] = [first, again, other].map(({ greeting }) => greeting.client);
    const everybody = {
      [host]: [host, "one", { name: "Ada" }, { role: "host" }],
      [guest]: [guest, "one", null, { role: "guest" }],
      [visitor]: [visitor, "", null, null],
    };
    assert.deepEqual(await present(), everybody);
    assert.deepEqual(await there.presenceStats(), { numClients: 3, numUsers: 2 });

    there.unsubscribe();
    await rejectsWith(103, other.presence("room")); // and the server has handled what was sent before
    delete everybody[visitor];
    assert.deepEqual(await present(), everybody);
    await rejectsWith(108, first.presenceStats("plain:room"));
  },

  async sees_who_joins_and_leaves() {
    const [watching, other] = [await user("0"), await user("2")];
    const guest = await connected({ token: await token({ sub: "one", info: { name: "Ada" } }) });
    const watcher = await subscribed(watching, "lobby:main");
    const next = async (event, subscription) => who((await subscription.events.next(event)).info);
    const ada = [guest.greeting.client, "one", { name: "Ada" }, { role: "guest" }];
    const second = [other.greeting.client, "2", null, null];

    // A subscriber sees itself as well.
    assert.deepEqual(await next("join", watcher), [watching.greeting.client, "0", null, null]);
    const visit = await subscribed(guest, "lobby:main", {
      token: await token({ sub: "one", channel: "lobby:main", info: { role: "guest" } }),
    });
    for (const subscription of [watcher, visit]) assert.deepEqual(await next("join", subscription), ada);
    await subscribed(other, "lobby:main");
    for (const subscription of [watcher, visit]) assert.deepEqual(await next("join", subscription), second);
    visit.unsubscribe();
    assert.deepEqual(await next("leave", watcher), ada);
    other.disconnect();
    assert.deepEqual(await next("leave", watcher), second);
    assert.deepEqual([watcher.events.count("join"), watcher.events.count("leave")], [3, 2]);
    assert.equal(visit.events.count("leave"), 0);
  },

  async sees_who_joins_if_it_asks() {
    const [asking, silent, guest] = [await user("1"), await user("2"), await user("3")];
    const told = await subscribed(asking, "hall:main", { joinLeave: true });
    const untold = await subscribed(silent, "hall:main");
    (await subscribed(guest, "hall:main")).unsubscribe();
    const joined = [];
    while (joined.length < 3) joined.push((await told.events.next("join")).info.user);
    assert.deepEqual(joined.sort(), ["1", "2", "3"]); // each connection tells it on its own
    assert.equal((await told.events.next("leave")).info.user, "3");
    await publish("hall:main", 1);
    assert.deepEqual(await untold.events.payloads(1), [1]);
    assert.deepEqual([untold.events.count("join"), untold.events.count("leave")], [0, 0]);
  },

  async hears_channels_by_number() {
    const channel = `lobby:${"n".repeat(150)}`; // longer than what is pushed beside it
    const isNumbered = !isProtobuf; // as the server does unless it is told otherwise
    const client = await connected({ token: await token({ sub: "1" }) }, relay);
    const subscription = await subscribed(client, channel);
    await subscription.events.next("join"); // its own
    const hear = async (number) => {
      const before = await forwarded();
      await publish(channel, number);
      assert.deepEqual(await subscription.events.payloads(1), [number]);
      assert.equal((await forwarded()) - before < channel.length, isNumbered);
    };
    await hear(1);
    const visit = await subscribed(await user("2"), channel);
    assert.equal((await subscription.events.next("join")).info.user, "2");
    visit.unsubscribe();
    assert.equal((await subscription.events.next("leave")).info.user, "2");
    await hear(2);

    subscription.unsubscribe();
    await subscription.events.next("unsubscribed");
    subscription.subscribe();
    await subscription.events.next("subscribed");
    await subscription.events.next("join");
    await hear(3);

    await networkDown();
    await client.events.next("connecting"); // the first attempt
    await client.events.next("connecting");
    await publish(channel, 4);
    await networkUp();
    assert.equal((await subscription.events.next("subscribed")).recovered, true);
    await publish(channel, 5);
    assert.deepEqual(await subscription.events.payloads(2), [4, 5]);
    await api("unsubscribe", { user: "1", channel });
    assert.equal((await subscription.events.next("unsubscribed")).code, 2000);
  },

  async pages_through_history() {
    const subscription = await subscribed(await connected(), "pages");
    for (let i = 1; i <= 7; ++i) await publish("pages", i);
    const top = await subscription.history({ limit: 0 });
    assert.deepEqual([top.publications, top.offset], [[], 7]);

    const walk = async (options) => {
      const pages = [];
      for (;;) {
        const page = await subscription.history({ limit: 3, ...options });
        assert.deepEqual([page.offset, page.epoch], [7, top.epoch]);
        if (page.publications.length === 0) return pages;
        const offsets = page.publications.map(({ offset }) => offset);
        assert.deepEqual(page.publications.map(({ data }) => unpack(data)), offsets);
        pages.push(offsets);
        options.since = { offset: offsets.at(-1), epoch: page.epoch };
      }
    };
    assert.deepEqual(await walk({ since: { offset: 0, epoch: top.epoch } }), [[1, 2, 3], [4, 5, 6], [7]]);
    assert.deepEqual(await walk({ reverse: true }), [[7, 6, 5], [4, 3, 2], [1]]);
    await rejectsWith(112, subscription.history({ limit: 1, since: { offset: 1, epoch: "another" } }));
  },

  async learns_why_it_is_refused() {
    const client = await connected();
    for (const [channel, code, reason] of [
      ["closed:room", 103, "permission denied"], ["$private", 103, "permission denied"],
      ["members:room", 103, "permission denied"], // not for those without a name
      ["nowhere:room", 102, "unknown channel"], ["l".repeat(300), 107, "bad request"],
    ]) {
      const subscription = newSubscription(client, channel);
      subscription.subscribe();
      assert.deepEqual(await subscription.events.next("unsubscribed"), { channel, code, reason });
    }
    const plain = await subscribed(client, "plain:room");
    await rejectsWith(108, plain.history({ limit: 1 }));
    await rejectsWith(108, plain.presence());
    assert.equal(client.state, "connected");
  },

  async enters_channels_that_name_it() {
    const [one, other] = [await user("42"), await user("44")];
    const subscription = await subscribed(one, "users:chat#42,43");
    assert.equal(await refused(other, "users:chat#42,43"), 103);
    assert.equal(await refused(other, "users:chat"), 103);
    assert.equal(await refused(one, "users:chat#43#44"), 103); // what is behind the last boundary counts
    await publish("users:chat#42,43", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    await subscribed(other, "chat#42"); // where the namespace has no such channels, the name is only a name
  },

  async receives_what_its_filter_lets_through() {
    const client = await connected({}, relay);
    const subscription = await subscribed(client, "tagged:sport", {
      tagsFilter: {
        op: "and", nodes: [
          { key: "sport", cmp: "in", vals: ["football", "rugby"] },
          { op: "or", nodes: [{ key: "goals", cmp: "gte", val: "2.5" }, { key: "final", cmp: "ex" }] },
          { op: "not", nodes: [{ key: "league", cmp: "sw", val: "U" }] },
        ],
      },
    });
    const tagged = (data, tags) => api("publish", { channel: "tagged:sport", data, tags });
    const round = async (n) => {
      await tagged(`few goals ${n}`, { sport: "football", goals: "2" });
      await tagged(`many goals ${n}`, { sport: "football", goals: "10" });
      await tagged(`another sport ${n}`, { sport: "chess", goals: "10" });
      await tagged(`no tags ${n}`, {});
      await tagged(`a final ${n}`, { sport: "rugby", final: "" });
      await tagged(`the young ${n}`, { sport: "rugby", final: "", league: "U21" });
      await tagged(`the old ${n}`, { sport: "rugby", goals: "2.5", league: "A" });
      return [`many goals ${n}`, `a final ${n}`, `the old ${n}`];
    };
    const first = await round(1);
    assert.deepEqual(await subscription.events.payloads(3), first);

    await networkDown();
    await client.events.next("connecting"); // the first attempt
    await client.events.next("connecting");
    const missed = await round(2);
    await networkUp();
    const again = await subscription.events.next("subscribed");
    assert.deepEqual([again.wasRecovering, again.recovered], [true, true]);
    assert.deepEqual(await subscription.events.payloads(3), missed);
    const last = await round(3); // what is left out is no gap
    assert.deepEqual(await subscription.events.payloads(3), last);
    assert.equal(subscription.events.count("subscribed"), 2);

    subscription.unsubscribe();
    subscription.setTagsFilter({ key: "sport", cmp: "eq", val: "chess" });
    subscription.subscribe();
    await subscription.events.next("subscribed");
    await tagged("football", { sport: "football" });
    await tagged("chess", { sport: "chess" });
    assert.deepEqual(await subscription.events.payloads(1), ["chess"]);
  },

  async is_refused_with_a_bad_filter() {
    const client = await connected();
    await subscribed(client, "tagged:good", { tagsFilter: { key: "sport", cmp: "nin", vals: ["chess"] } });
    const filters = { empty: { op: "and", nodes: [] }, in: { key: "sport", cmp: "in", vals: [] }, op: { op: "xor" } };
    for (const [name, tagsFilter] of Object.entries(filters)) {
      assert.equal(await refused(client, `tagged:${name}`, { tagsFilter }), 107, name);
    }
    const tagsFilter = { key: "sport", cmp: "eq", val: "chess" };
    assert.equal(await refused(client, "news", { tagsFilter }), 107); // not allowed there
  },
};

await play(scenarios);
