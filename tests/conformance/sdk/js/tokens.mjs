// Subscriptions by token and by the server.
import assert from "node:assert/strict";
import {
  api, connected, networkDown, networkUp, newClient, newSubscription, play, publish, refused, relay, subscribed,
  token, unpack, user, who,
} from "./kit.mjs";

const scenarios = {
  async subscribes_with_a_token() {
    const client = await user("42");
    for (const name of ["closed:room", "$private"]) {
      const asked = [];
      const subscription = await subscribed(client, name, {
        getToken: ({ channel }) => {
          asked.push(channel);
          return token({ sub: "42", channel, info: { role: "guest" }, data: { welcome: true } });
        },
      });
      assert.deepEqual(asked, [name]);
      assert.deepEqual(unpack(subscription.greeting.data), { welcome: true });
      const { presence } = await api("presence", { channel: name });
      assert.deepEqual(presence[client.greeting.client].chan_info, { role: "guest" });
      await publish(name, 1);
      assert.deepEqual(await subscription.events.payloads(1), [1]);
    }
    const forged = `${await token({ sub: "42", channel: "closed:other" })}x`;
    assert.equal(await refused(client, "closed:other", { token: forged }), 103);
  },

  async is_disconnected_for_a_token_of_another() {
    for (const [channel, claims] of [
      ["closed:one", { sub: "43", channel: "closed:one" }], ["closed:two", { sub: "42", channel: "closed:one" }],
    ]) {
      const client = await user("42");
      newSubscription(client, channel, { token: await token(claims) }).subscribe();
      assert.deepEqual(await client.events.next("disconnected"), { code: 3500, reason: "invalid token" });
    }
  },

  async refreshes_its_subscription_token() {
    let asked = 0;
    const fourth = Promise.withResolvers();
    const subscription = await subscribed(await connected(), "closed:room", {
      getToken: ({ channel }) => {
        if (++asked === 4) fourth.resolve();
        return token({ channel }, 2);
      },
    });
    await fourth.promise;
    await publish("closed:room", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    assert.equal(subscription.events.count("subscribed"), 1);
  },

  async loses_a_subscription_whose_token_comes_too_late() {
    let asked = 0;
    const client = await connected();
    const subscription = await subscribed(client, "closed:room", {
      getToken: ({ channel }) => token({ channel }, [2, -10][asked++]),
    });
    assert.deepEqual(await subscription.events.next("unsubscribed"),
      { channel: "closed:room", code: 109, reason: "token expired" });
    assert.deepEqual([asked, client.events.count("connected")], [2, 1]);
  },

  async loses_a_subscription_whose_token_is_not_refreshed() {
    let asked = 0;
    const client = await connected();
    const subscription = await subscribed(client, "closed:room", {
      getToken: ({ channel }) => {
        ++asked;
        if (asked === 2) return new Promise(() => {}); // the refresh
        return token({ channel }, asked === 1 ? 2 : null);
      },
    });
    await subscription.events.next("subscribing"); // the first attempt
    const { code, reason } = await subscription.events.next("subscribing");
    assert.deepEqual([code, reason], [2501, "subscription expired"]);
    await subscription.events.next("subscribed"); // with the third token
    await publish("closed:room", 1);
    assert.deepEqual(await subscription.events.payloads(1), [1]);
    assert.deepEqual([asked, client.events.count("connected")], [3, 1]);
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

  async gets_subscriptions_with_options_of_its_token() {
    const on = { value: true };
    const client = await connected({ token: await token({ sub: "42", subs: {
      "closed:room": { info: { role: "owner" }, data: { welcome: true },
        override: { join_leave: on, force_push_join_leave: on } },
    } }) });
    const greeting = await client.events.next("subscribed");
    assert.deepEqual([greeting.channel, unpack(greeting.data), greeting.recoverable],
      ["closed:room", { welcome: true }, false]);
    const next = async (event) => {
      const { channel, info } = await client.events.next(event);
      return [channel, ...who(info)];
    };
    assert.deepEqual(await next("join"), ["closed:room", client.greeting.client, "42", null, { role: "owner" }]);

    const guest = await user("43");
    await api("subscribe", {
      user: "43", channel: "closed:room", info: { role: "guest" }, override: { join_leave: on },
    });
    await guest.events.next("subscribed");
    await api("unsubscribe", { user: "43", channel: "closed:room" });
    const visitor = ["closed:room", guest.greeting.client, "43", null, { role: "guest" }];
    assert.deepEqual([await next("join"), await next("leave")], [visitor, visitor]);
    assert.equal(guest.events.count("join"), 0);
  },

  async is_subscribed_by_the_server() {
    const client = await connected({ token: await token({ sub: "42" }) }, relay);
    const kept = await subscribed(client, "kept");
    await api("subscribe", { user: "42", channel: "gift", data: { from: "server" } });
    const greeting = await client.events.next("subscribed");
    assert.deepEqual([greeting.channel, greeting.recoverable], ["gift", true]);
    assert.deepEqual(unpack(greeting.data), { from: "server" });
    await publish("gift", 1);
    assert.deepEqual(await client.events.payloads(1), [1]);

    await networkDown();
    assert.equal((await client.events.next("subscribing")).channel, "gift");
    for (const data of [2, 3]) await publish("gift", data);
    await networkUp();
    const again = await client.events.next("subscribed");
    assert.deepEqual([again.channel, again.wasRecovering, again.recovered], ["gift", true, true]);
    assert.deepEqual(await client.events.payloads(2), [2, 3]);

    await kept.events.next("subscribed"); // after the drop of the network
    await api("unsubscribe", { user: "42", channel: "gift" });
    assert.equal((await client.events.next("unsubscribed")).channel, "gift");
    await api("disconnect", { user: "42", disconnect: { code: 4001, reason: "come back" } });
    await kept.events.next("subscribed");
    await publish("gift", 4);
    await publish("kept", 5);
    assert.deepEqual(await kept.events.payloads(1), [5]);
    assert.deepEqual([client.events.count("subscribed"), client.events.count("publication")], [2, 3]);
  },

  // A new connection may keep only what the client could subscribe to by itself.
  async loses_the_servers_subscription_to_a_closed_channel() {
    const client = await user("42");
    for (const channel of ["closed:gift", "gift"]) {
      await api("subscribe", { user: "42", channel });
      assert.equal((await client.events.next("subscribed")).channel, channel);
    }
    await publish("closed:gift", 1);
    assert.deepEqual(await client.events.payloads(1), [1]);
    await api("disconnect", { user: "42", disconnect: { code: 4001, reason: "come back" } });
    assert.equal((await client.events.next("subscribed")).channel, "gift");
    assert.equal((await client.events.next("unsubscribed")).channel, "closed:gift");
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
};

await play(scenarios);
