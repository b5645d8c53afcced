// What a backend decides, over HTTP and over GRPC (desk.py).
import assert from "node:assert/strict";
import {
  api, asked, endOf, gone, networkDown, networkUp, newSubscription, pack, play, publish, refused, rejectsWith,
  subscribed, unpack, unpackOptional, visitor, who,
} from "./kit.mjs";

async function entered(name, options) {
  const client = visitor(name, options);
  client.connect();
  client.greeting = await client.events.next("connected");
  await client.events.next("connecting");
  return client;
}

// The server's subscriptions of a new connection, by channel.
async function given(client, count) {
  const greetings = new Map();
  while (greetings.size < count) {
    const greeting = await client.events.next("subscribed");
    greetings.set(greeting.channel, greeting);
  }
  return greetings;
}

const scenarios = {
  async is_let_in_by_a_backend() {
    assert.deepEqual(await gone(), { code: 4501, reason: "who are you?" });
    const stranger = visitor("stranger");
    stranger.connect();
    assert.equal((await endOf(stranger)).code, 1001);
    (await entered("hasty")).disconnect(); // it has tried once more
    for (let i = 0; i < 4; ++i) await asked("connect");

    const ann = await entered("ann", { data: pack({ from: "home" }), name: "tests", version: "1.2" });
    const former = ann.greeting.client;
    assert.deepEqual(unpack(ann.greeting.data), { welcome: { from: "home" } });
    const question = await asked("connect");
    assert.deepEqual([question.client, question.transport, question.name, question.version, question.data],
      [former, "websocket", "tests", "1.2", { from: "home" }]);
    const greetings = await given(ann, 2);
    const [mine, desk] = ["mine", "closed:desk"].map((channel) => greetings.get(channel));
    assert.deepEqual([mine.recoverable, unpackOptional(mine.data)], [true, null]);
    assert.deepEqual([desk.recoverable, unpack(desk.data)], [false, { topic: "desk" }]);
    const joined = await ann.events.next("join");
    assert.deepEqual([joined.channel, ...who(joined.info)],
      ["closed:desk", former, "ann", { name: "ann" }, { seat: 1 }]);
    await publish("mine", 1);
    assert.deepEqual(await ann.events.payloads(1), [1]);

    await networkDown();
    await ann.events.next("connecting");
    for (const data of [2, 3]) await publish("mine", data);
    await networkUp();
    const again = await given(ann, 2);
    assert.deepEqual([again.get("mine").wasRecovering, again.get("mine").recovered], [true, true]);
    assert.equal(again.get("closed:desk").wasRecovering, false);
    assert.deepEqual(await ann.events.payloads(2), [2, 3]);
    const { client } = await asked("connect"); // it is asked each time
    assert.equal(client, (await ann.events.next("connected")).client);
    assert.notEqual(client, former);
  },

  // The backend prolongs a connection once, under another name, and no more.
  async is_kept_by_a_backend() {
    const guest = await entered("guest");
    const former = guest.greeting.client;
    const subscription = await subscribed(guest, "news");
    const vault = await subscribed(guest, "vault:safe", { recoverable: true });
    assert.equal(vault.greeting.recoverable, true);
    const bar = await subscribed(guest, "closed:bar");
    await rejectsWith(103, bar.publish(pack(1)));
    const name = async () => {
      await subscription.publish(pack("hello"));
      return unpack((await subscription.events.next("publication")).info.connInfo).name;
    };
    assert.equal(await name(), "guest");
    const question = await asked("refresh");
    assert.deepEqual([question.client, question.user, question.meta], [former, "guest", { desk: 3 }]);
    while (await name() !== "old guest"); // until the answer is there
    const left = await bar.events.next("unsubscribed");
    assert.deepEqual([left.code, left.reason], [2000, "server unsubscribe"]);
    await vault.publish(pack("still here"));
    assert.equal(unpack((await vault.events.next("publication")).data), "still here");
    assert.deepEqual(await guest.events.next("connecting"), { code: 3005, reason: "connection expired" });
    assert.notEqual((await guest.events.next("connected")).client, former);
    assert.equal((await asked("refresh")).client, former);
  },

  async asks_a_backend_for_channels_and_calls() {
    const ann = await entered("ann");
    const short = await subscribed(ann, "office:short"); // whose time runs from here on
    await asked("subscribe");
    const room = await subscribed(ann, "office:room", { data: pack({ seat: 7 }) });
    assert.deepEqual(unpack(room.greeting.data), { topic: "room" });
    const entering = await asked("subscribe");
    assert.deepEqual([entering.client, entering.user, entering.channel, entering.meta, entering.data],
      [ann.greeting.client, "ann", "office:room", { desk: 3 }, { seat: 7 }]);
    assert.equal(await refused(ann, "office:closed"), 1100);
    const seat = async (channel) =>
      (await api("presence", { channel })).presence[ann.greeting.client].chan_info.seat;
    assert.equal(await seat("office:room"), 7);

    const say = (text) => room.publish(pack({ say: text }));
    for (const text of ["hello", "HEY", "between us"]) await say(text);
    await rejectsWith(1200, say("damn"));
    const heard = [];
    while (heard.length < 3) {
      const { data, tags, offset, info } = await room.events.next("publication");
      assert.equal(info.user, "ann");
      heard.push([unpack(data).say, tags?.edited, offset ?? 0]);
    }
    assert.deepEqual(heard, [["hello", undefined, 1], ["hey", "yes", 2], ["between us", undefined, 0]]);
    const { publications } = await room.history({ limit: 10 });
    assert.deepEqual(publications.map(({ data }) => unpack(data).say), ["hello", "hey"]);
    const published = await asked("publish");
    assert.deepEqual([published.user, published.channel, published.data], ["ann", "office:room", { say: "hello" }]);

    const call = async (method, data) => unpack((await ann.rpc(method, pack(data))).data);
    assert.equal(await call("add", [1, 2, 3.5]), 6.5);
    assert.deepEqual(await call("whoami", {}), { user: "ann", desk: "first", meta: { desk: 3 } });
    assert.deepEqual(await call("desk:whoami", {}), { user: "ann", desk: "second", meta: { desk: 3 } });
    await rejectsWith(1404, call("dance", {}));
    await rejectsWith(104, call("nowhere:dance", {}));

    await short.events.next("subscribing"); // the first attempt
    const staying = await asked("sub_refresh");
    assert.deepEqual([staying.client, staying.user, staying.channel], [ann.greeting.client, "ann", "office:short"]);
    while (await seat("office:short") !== 2); // until the answer is there
    const { code, reason } = await short.events.next("subscribing");
    assert.deepEqual([code, reason], [2501, "subscription expired"]);
    await short.events.next("subscribed"); // it has asked once more
    assert.equal(await seat("office:short"), 0);

    await rejectsWith(103, room.presence());
    const study = await subscribed(ann, "office:study");
    await study.publish(pack({ say: "damn" })); // what is allowed is not asked about
    assert.deepEqual(unpack((await study.events.next("publication")).data), { say: "damn" });
    assert.deepEqual(Object.keys((await study.presence()).clients), [ann.greeting.client]);

    const ben = await entered("ben");
    newSubscription(ben, "office:cellar").subscribe();
    assert.deepEqual(await endOf(ben), { code: 4502, reason: "out of here" });
    await assert.rejects(call("leave", {}));
    assert.deepEqual(await endOf(ann), { code: 4503, reason: "as you like" });
  },

  async has_a_stream_of_its_own() {
    const [ann, ben] = [await entered("ann"), await entered("ben")];
    const feed = await subscribed(ann, "feed:news", { data: pack({ about: "chess" }) });
    assert.deepEqual(unpack(feed.greeting.data), { time: 1 });
    const question = await asked("stream");
    assert.deepEqual([question.user, question.channel, question.data], ["ann", "feed:news", { about: "chess" }]);
    for (const number of [1, 2, 3]) {
      const { data, tags, offset } = await feed.events.next("publication");
      assert.deepEqual([unpack(data), tags, offset ?? 0], [number, { about: "chess" }, 0]);
    }
    await publish("feed:news", "to all");
    assert.deepEqual(await feed.events.payloads(1), ["to all"]);
    await rejectsWith(108, feed.publish(pack("to the backend")));
    assert.equal(await refused(ann, "feed:closed"), 1100);

    const ending = await subscribed(ann, "feed:ending");
    assert.deepEqual(await ending.events.payloads(3), [1, 2, 3]);
    const end = await ending.events.next("unsubscribed");
    assert.deepEqual([end.code, end.reason], [2000, "server unsubscribe"]);
    assert.equal((await asked("end")).channel, "feed:ending");
    const failing = await subscribed(ann, "feed:failing");
    await failing.events.next("subscribing"); // the first attempt
    assert.deepEqual(await failing.events.payloads(3), [1, 2, 3]);
    const lost = await failing.events.next("subscribing");
    assert.deepEqual([lost.code, lost.reason], [2500, "insufficient state"]);
    assert.deepEqual(unpack((await failing.events.next("subscribed")).data), { time: 2 });
    assert.deepEqual(await failing.events.payloads(3), [1, 2, 3]);
    assert.equal((await asked("end")).channel, "feed:failing");

    const [mine, theirs] = [await subscribed(ann, "talk:desk"), await subscribed(ben, "talk:desk")];
    await mine.publish(pack({ say: "psst" }));
    await theirs.publish(pack({ say: "hey" }));
    assert.deepEqual(await mine.events.payloads(1), [{ echo: { say: "psst" } }]); // each has a backend to itself
    assert.deepEqual(await theirs.events.payloads(1), [{ echo: { say: "hey" } }]);
    mine.unsubscribe();
    assert.equal((await asked("end")).channel, "talk:desk");
    ben.disconnect();
    assert.equal((await asked("end")).channel, "talk:desk");
  },
};

await play(scenarios);
