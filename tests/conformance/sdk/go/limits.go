package main

// What channels are by their shape, what they carry, and what a client is held to.

import (
	"strings"

	"github.com/centrifugal/centrifuge-go"
)

func (Scenarios) FindsNamespacesByTheShapeOfChannels(s *Story) {
	client := s.user("42")
	room := s.subscribed(client, "/rooms/1")
	check(next[centrifuge.JoinEvent](room.events).User, "42")
	_, err := room.Publish(background(), []byte(`"hello"`))
	must(err)
	check(room.payloads(1), List{"hello"})
	_, err = client.Publish(background(), "/boxes/ann/1", []byte("[1]"))
	check(code(err), 107)
	_, err = client.Publish(background(), "/boxes/ann/1", []byte(`{"in":"the box"}`))
	must(err)
	kept := s.api("history", Object{"channel": "/boxes/ann/1", "limit": 10}).(Object)["publications"].([]any)
	check(List{len(kept), kept[0].(Object)["data"]}, List{1, Object{"in": "the box"}})
	for channel, refusal := range map[string]uint32{
		"/boxes/ann/1": 103, "/rooms/1/2": 102, "/nowhere": 102, "feed.sport": 103, "$/rooms/2": 103,
	} {
		check(List{channel, s.refused(client, channel)}, List{channel, refusal})
	}
	token := options{Token: s.token(Object{"sub": "43", "channel": "$/rooms/2"})}
	s.subscribed(s.user("43"), "$/rooms/2", token)
	s.subscribed(client, "feeds")
}

func (Scenarios) CarriesTheFormatOfItsNamespace(s *Story) {
	client := s.user("42")
	text, raw := s.subscribed(client, "text:a"), s.subscribed(client, "raw:a")
	publish := func(subscription *Subscription, data string) uint32 {
		_, err := subscription.Publish(background(), []byte(data))
		return code(err)
	}
	for _, data := range []string{`[1,"x"]`, `"y"`, "null", `{"z":0}`} {
		for _, subscription := range []*Subscription{text, raw} {
			check(publish(subscription, data), 0)
			check(subscription.payloads(1), List{value([]byte(data))})
		}
	}
	for _, data := range []string{"[1]", `"x"`} {
		_, err := client.Publish(background(), "objects:a", []byte(data))
		check(code(err), 107)
	}
	if s.facts.Format == "json" {
		s.api("publish", Object{"channel": "raw:a", "b64data": []byte{0, 255}}) // there is no JSON for it
		check(client.end(), Object{"Code": 3506, "Reason": "inappropriate protocol"})
		return
	}
	news := s.subscribed(client, "news")
	check(List{publish(text, "{oops"), publish(text, ""), publish(news, "")}, List{107, 107, 107})
	for _, data := range []string{"\x00\xff", ""} {
		check(publish(raw, data), 0)
		check(string(next[centrifuge.PublicationEvent](raw.events).Data) == data, true)
	}
}

func (Scenarios) IsInOnePageOfPresence(s *Story) {
	here := s.subscribed(s.user("0"), "room")
	for _, name := range []string{"1", "2", "3", "4"} {
		s.subscribed(s.user(name), "room")
	}
	present, err := here.Presence(background())
	must(err)
	everybody, found, members, cursor := Object{}, Object{}, 0, ""
	for id, info := range present.Clients {
		everybody[id] = info.User
	}
	for {
		answer := s.api("presence", Object{"channel": "room", "limit": 2, "cursor": cursor}).(Object)
		page := answer["presence"].(Object)
		check(len(page) <= 2, true)
		members += len(page)
		for id, info := range page {
			found[id] = info.(Object)["user"]
		}
		if cursor, _ = answer["cursor"].(string); cursor == "" {
			break
		}
	}
	check(List{members, found}, List{5, everybody})
}

func (Scenarios) IsSlowedDownWhenItHurries(s *Story) {
	client, again := s.user("42"), s.user("42")
	var subscriptions []*Subscription
	for _, channel := range []string{"a", "b", "c"} {
		subscriptions = append(subscriptions, s.newSubscription(client, channel))
	}
	for _, subscription := range subscriptions {
		must(subscription.Subscribe())
	}
	refusals := map[uint32]bool{}
	for _, subscription := range subscriptions {
		next[centrifuge.SubscribedEvent](subscription.events) // the SDK tries again
		for _, event := range all[centrifuge.SubscriptionErrorEvent](subscription.events) {
			refusals[code(event.Error)] = true
		}
	}
	check(refusals, map[uint32]bool{111: true})

	mine := subscriptions[0]
	var published, read List
	for range 3 {
		_, err := mine.Publish(background(), []byte("1"))
		published = append(published, code(err))
	}
	check(published, List{0, 0, 111})
	check(mine.payloads(2), List{1, 1})
	there := s.subscribed(again, "a")
	for _, subscription := range []*Subscription{mine, there, there} {
		_, err := subscription.History(background(), centrifuge.WithHistoryLimit(1))
		read = append(read, code(err))
	}
	check(read, List{0, 0, 111}) // all connections of the user together
}

func (Scenarios) IsHeldToItsLimits(s *Story) {
	client := s.user("42")
	first := s.subscribed(client, "a")
	s.subscribed(client, "b")
	s.subscribed(client, "c")
	check(s.refused(client, "d"), 106)
	must(first.Unsubscribe())
	s.subscribed(client, "e")
	many := s.token(Object{"sub": "43", "channels": List{"a", "b", "c", "d"}})
	check(s.gone(centrifuge.Config{Token: many}), Object{"Code": 3505, "Reason": "channel limit"})

	s.user("42")
	check(s.gone(centrifuge.Config{Token: s.token(Object{"sub": "42"})}),
		Object{"Code": 3504, "Reason": "connection limit"})
	s.user("43")

	_, err := client.Publish(background(), "b", []byte(`"`+strings.Repeat("x", 1000)+`"`))
	must(err)
	if _, err = client.Publish(background(), "b", []byte(`"`+strings.Repeat("x", 3000)+`"`)); err == nil {
		panic("the message was not too long")
	}
	check(next[centrifuge.ConnectingEvent](client.events).Code, 3) // what the SDK calls the end for such a message
}
