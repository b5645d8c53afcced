"""The official Python SDK subscribes to wildcards, of which it knows nothing: each push goes to the right subscription."""

import pytest
from application import code_of


@pytest.fixture
def settings():
    return {"gyre": {"shards": 2, "wildcards": {"rules": [
        {"pattern": "news.>"}, {"pattern": "tagged:*", "namespace": "tagged"}]}}}


def test_gives_each_subscription_its_own(play):
    async def story(app):
        client = await app.connected()
        one, _ = await app.subscribed(client, "news.*")
        all_, _ = await app.subscribed(client, "news.>")
        exact, _ = await app.subscribed(client, "news.a")
        for channel, value in (("news.a", 1), ("news.b.c", 2), ("other.a", 3), ("news.d", 4)):
            await app.publish(channel, value)
        assert sorted(await app.values(one, 2)) == [1, 4]
        assert sorted(await app.values(all_, 3)) == [1, 2, 4]
        assert await app.values(exact, 1) == [1]
        assert await app.refused(client, "other.*") == 103
        assert await code_of(client.publish("news.*", app.pack(5))) == 107
        await one.unsubscribe()
        await app.publish("news.e", 6)
        assert await app.values(all_, 1) == [6]
        assert one.events.seen["publication"] == 2

    play(story)


def test_goes_on_after_a_reconnect(play):
    async def story(app):
        client = await app.connected(app.relayed_url)
        subscription, begun = await app.subscribed(client, "news.*")
        assert (begun.recoverable, begun.positioned) == (False, False)
        await app.disturb(client, "news.a", ["missed"])
        again = await subscription.events.next("subscribed")
        assert (again.was_recovering, again.recovered) == (False, False)
        await app.publish("news.b", "seen")
        assert await app.values(subscription, 1) == ["seen"]

    play(story)


def test_follows_subscriptions_of_the_server(play):
    async def story(app):
        client = await app.user("42")
        await app.api("subscribe", user="42", channel="tagged:*")
        assert (await client.events.next("subscribed")).channel == "tagged:*"
        await app.publish("tagged:red", 1)
        publication = await client.events.next("publication")
        assert (publication.channel, app.unpack(publication.pub.data)) == ("tagged:*", 1)

    play(story)
