// Who a user is and what it may do, as tokens of others and the server API say.
import assert from "node:assert/strict";
import {
  api, connected, endOf, gone, isProtobuf, pack, play, publish, refused, rejectsWith, signed, subscribed, token, unpack,
  user,
} from "./kit.mjs";

const [PAST, BETWEEN, LATER] = [1000, 2000, 3000]; // when tokens were issued, and when those before count no more
const INVALID = { code: 3500, reason: "invalid token" };
const seconds = () => Math.floor(Date.now() / 1000);

const scenarios = {
  async is_known_by_tokens_of_several_providers() {
    const ann = await connected({ token: await signed("works", { sub: "ann", user: { role: "editor" } }) });
    const ben = await connected({
      token: await signed("school", { sub: "ben", "https://example.com/groups": ["chess"] }),
    });
    const cid = await user("cid", { meta: { kept: true }, user: { role: "guest" } });
    const { connections } = await api("connections", {});
    const known = Object.entries(connections).map(([id, told]) => [id, [told.user, told.state.meta]]);
    assert.deepEqual(Object.fromEntries(known), {
      [ann.greeting.client]: ["ann", { role: "editor" }],
      [ben.greeting.client]: ["ben", { groups: ["chess"] }],
      [cid.greeting.client]: ["cid", { kept: true, role: "guest" }],
    });
    const ofRoom = (provider, sub) => signed(provider, { sub, channel: "closed:room" });
    await subscribed(ben, "closed:room", { token: await ofRoom("school", "ben") });
    assert.equal(await refused(cid, "closed:room", { token: `${await ofRoom("works", "cid")}x` }), 103);
    const iss = "https://works.example/";
    for (const forged of [
      await token({ sub: "ann", iss }), await signed("school", { sub: "ann", iss }),
      await signed("school", { sub: "ann", iss: "https://nobody.example/" }),
    ]) {
      assert.deepEqual(await gone({ token: forged }), INVALID);
    }
  },

  async is_shut_out_by_the_server() {
    const mallory = await user("mallory");
    await api("block_user", { user: "mallory", expire_at: seconds() + 3600 });
    assert.deepEqual(await endOf(mallory), { code: 3503, reason: "force disconnect" });
    const again = await gone({ token: await token({ sub: "mallory" }) });
    assert.deepEqual(again, { code: 3507, reason: "permission denied" });
    await api("unblock_user", { user: "mallory" });
    await user("mallory");

    const [lost, kept] = [await user("42", { jti: "lost", iat: LATER }), await user("42", { jti: "kept", iat: LATER })];
    await api("revoke_token", { uid: "lost" });
    assert.deepEqual(await endOf(lost), INVALID);
    assert.deepEqual(await gone({ token: await token({ sub: "42", jti: "lost", iat: LATER }) }), INVALID);

    const ofRoom = async (iat) => ({ token: await token({ sub: "42", channel: "closed:room", iat }) });
    const old = await user("42", { iat: PAST });
    const subscription = await subscribed(kept, "closed:room", await ofRoom(PAST));
    await api("invalidate_user_tokens", { user: "42", channel: "closed:room", issued_before: BETWEEN });
    const left = await subscription.events.next("unsubscribed");
    assert.deepEqual([left.code, left.reason], [2000, "server unsubscribe"]);
    assert.equal(await refused(old, "closed:room", await ofRoom(PAST)), 103);
    await api("invalidate_user_tokens", { user: "42", issued_before: BETWEEN });
    assert.deepEqual(await endOf(old), INVALID);
    assert.deepEqual(await gone({ token: await token({ sub: "42", iat: PAST }) }), INVALID);
    await subscribed(await user("42", { iat: LATER }), "closed:room", await ofRoom(LATER));
    const news = await subscribed(kept, "news"); // it has lost the room alone
    await publish("news", 1);
    assert.deepEqual(await news.events.payloads(1), [1]);
  },

  async says_that_it_is_active() {
    const began = seconds();
    const status = async (...users) => (await api("get_user_status", { users })).statuses;
    const [ann, stranger] = [await user("ann"), await connected()];
    const [before] = await status("ann");
    assert.deepEqual([before.user, before.active], ["ann", undefined]);
    assert.ok(before.online >= began && before.online <= seconds());
    await ann.rpc("update_user_status", pack({}));
    await rejectsWith(103, stranger.rpc("update_user_status", pack({})));
    await api("update_user_status", { users: ["ben"], state: "away" });
    const [now, ben, nobody] = await status("ann", "ben", "nobody");
    assert.ok(now.active >= began && now.active <= seconds() && now.online >= began);
    assert.deepEqual([ben.user, ben.state, ben.online, nobody], ["ben", "away", undefined, { user: "nobody" }]);
    assert.ok(ben.active >= began && ben.active <= seconds());
    await api("delete_user_status", { users: ["ben"] });
    assert.deepEqual(await status("ben"), [{ user: "ben" }]);
  },

  async is_listed_with_what_it_does() {
    const listed = async (request) => (await api("connections", request)).connections;
    const client = await connected({
      token: await token({ sub: "42", jti: "a1", iat: PAST, meta: { role: "editor" }, channels: ["mine"] }),
      name: "tests", version: "1.2",
    });
    await connected();
    await subscribed(client, "news");
    const ofRoom = await token({ sub: "42", channel: "closed:room", jti: "s1", iat: PAST });
    await subscribed(client, "closed:room", { token: ofRoom });
    await api("subscribe", { user: "42", channel: "gift" });
    const ours = await listed({ user: "42" });
    assert.deepEqual(Object.keys(ours), [client.greeting.client]);
    const told = ours[client.greeting.client];
    assert.deepEqual([told.app_name, told.app_version, told.user, told.transport, told.protocol],
      ["tests", "1.2", "42", "websocket", isProtobuf ? "protobuf" : "json"]);
    const { channels, connection_token: ofConnection, subscription_tokens: ofSubscriptions, meta } = told.state;
    assert.deepEqual(Object.fromEntries(Object.entries(channels).map(([channel, { source }]) => [channel, source])),
      { mine: 1, "closed:room": 3, news: 6, gift: 10 });
    assert.deepEqual([ofConnection, meta], [{ uid: "a1", issued_at: PAST }, { role: "editor" }]);
    assert.deepEqual(ofSubscriptions, { "closed:room": { uid: "s1", issued_at: PAST } });
    assert.ok(told.connected_at_ms > 0);
    assert.equal(Object.keys(await listed({})).length, 2);
    await api("disconnect", { user: "42", client: client.greeting.client });
    assert.deepEqual(await endOf(client), { code: 3503, reason: "force disconnect" });
    assert.deepEqual(await listed({ user: "42" }), {});
  },

  async is_refreshed_by_the_server() {
    const client = await user("42", { info: { role: "guest" } });
    const subscription = await subscribed(client, "news");
    const info = async () => {
      await subscription.publish(pack("hello"));
      return unpack((await subscription.events.next("publication")).info.connInfo);
    };
    assert.deepEqual(await info(), { role: "guest" });
    await api("refresh", { user: "42", expire_at: seconds() + 3600, info: { role: "host" } });
    assert.deepEqual(await info(), { role: "host" });
    const { presence } = await api("presence", { channel: "news" });
    assert.deepEqual(presence[client.greeting.client].conn_info, { role: "host" });
    await client.events.next("connecting"); // the first attempt
    await api("refresh", { user: "42", expired: true });
    assert.deepEqual(await client.events.next("connecting"), { code: 3005, reason: "connection expired" });
    await client.events.next("connected");
  },

  async does_what_its_token_allows() {
    const vault = { channels: ["vault:*"], match: "wildcard", allow: ["sub", "pub", "hst", "prs"] };
    const wants = { recoverable: true, joinLeave: true };
    let asked = 0;
    const isIn = Promise.withResolvers();
    const losing = await connected({
      getToken: async () => {
        if (++asked === 1) return token({ sub: "41", caps: [vault] }, 2);
        await isIn.promise;
        return token({ sub: "41", caps: [] }, 300);
      },
    });
    const lost = await subscribed(losing, "vault:desk");
    isIn.resolve();

    const client = await user("42", { caps: [
      { channels: ["vault:reports"], allow: ["sub"] }, vault,
      { channels: ["^closed:[0-9]+$"], match: "regex", allow: ["sub"] },
    ] });
    const safe = await subscribed(client, "vault:safe", wants);
    assert.equal(safe.greeting.recoverable, true);
    assert.equal((await safe.events.next("join")).info.client, client.greeting.client);
    await safe.publish(pack("mine"));
    assert.deepEqual(await safe.events.payloads(1), ["mine"]);
    assert.deepEqual(Object.keys((await safe.presence()).clients), [client.greeting.client]);
    const { publications } = await safe.history({ limit: 10 });
    assert.deepEqual(publications.map(({ data }) => unpack(data)), ["mine"]);

    const reports = await subscribed(client, "vault:reports", wants); // the first entry decides
    assert.equal(reports.greeting.recoverable, false);
    await rejectsWith(103, reports.publish(pack(1)));
    await rejectsWith(103, reports.presence());
    await rejectsWith(103, reports.history({ limit: 1 }));
    await subscribed(client, "closed:42");
    for (const channel of ["closed:room", "$vault:safe"]) assert.equal(await refused(client, channel), 103, channel);

    const other = await user("43");
    assert.equal(await refused(other, "vault:desk"), 103);
    const allowed = { token: await token({ sub: "43", channel: "vault:safe", allow: ["pub"] }) };
    const theirs = await subscribed(other, "vault:safe", allowed);
    await theirs.publish(pack("theirs"));
    assert.deepEqual(await safe.events.payloads(1), ["theirs"]);
    await rejectsWith(103, theirs.presence());

    const left = await lost.events.next("unsubscribed");
    assert.deepEqual([left.code, left.reason, asked], [2000, "server unsubscribe", 2]);
    assert.equal(losing.events.count("connected"), 1);
  },
};

await play(scenarios);
