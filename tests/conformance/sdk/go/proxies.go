package main

// What a backend decides, over HTTP and over GRPC (desk.py).

import (
	"maps"
	"slices"

	"github.com/centrifugal/centrifuge-go"
)

// given is the server's subscriptions of a new connection, by channel.
func (c *Client) given(count int) map[string]centrifuge.ServerSubscribedEvent {
	greetings := map[string]centrifuge.ServerSubscribedEvent{}
	for len(greetings) < count {
		greeting := next[centrifuge.ServerSubscribedEvent](c.events)
		greetings[greeting.Channel] = greeting
	}
	return greetings
}

func pick(from Object, names ...string) List {
	var result List
	for _, name := range names {
		result = append(result, from[name])
	}
	return result
}

func (Scenarios) IsLetInByABackend(s *Story) {
	check(s.gone(centrifuge.Config{}), Object{"Code": 4501, "Reason": "who are you?"})
	stranger := s.visitor("stranger", centrifuge.Config{})
	_ = stranger.Connect()
	check(stranger.end().Code, 1001)
	must(s.visitor("hasty", centrifuge.Config{}).connect().Disconnect()) // it has tried once more
	for range 4 {
		s.asked("connect")
	}

	ann := s.visitor("ann", centrifuge.Config{Data: []byte(`{"from":"home"}`), Name: "tests", Version: "1.2"}).connect()
	former := ann.greeting.ClientID
	check(value(ann.greeting.Data), Object{"welcome": Object{"from": "home"}})
	check(pick(s.asked("connect"), "client", "transport", "name", "version", "data"),
		List{former, "websocket", "tests", "1.2", Object{"from": "home"}})
	greetings := ann.given(2)
	mine, desk := greetings["mine"], greetings["closed:desk"]
	check(List{mine.Recoverable, value(mine.Data)}, List{true, nil})
	check(List{desk.Recoverable, value(desk.Data)}, List{false, Object{"topic": "desk"}})
	joined := next[centrifuge.ServerJoinEvent](ann.events)
	check(List{joined.Channel, joined.Client, joined.User, value(joined.ConnInfo), value(joined.ChanInfo)},
		List{"closed:desk", former, "ann", Object{"name": "ann"}, Object{"seat": 1}})
	s.publish("mine", 1)
	check(ann.payloads(1), List{1})

	s.networkDown()
	next[centrifuge.ConnectingEvent](ann.events)
	s.publish("mine", 2, 3)
	s.networkUp()
	again := ann.given(2)
	check(List{again["mine"].WasRecovering, again["mine"].Recovered}, List{true, true})
	check(again["closed:desk"].WasRecovering, false)
	check(ann.payloads(2), List{2, 3})
	now := next[centrifuge.ConnectedEvent](ann.events).ClientID
	check(s.asked("connect")["client"], now) // it is asked each time
	check(now != former, true)
}

// The backend prolongs a connection once, under another name, and no more.
func (Scenarios) IsKeptByABackend(s *Story) {
	guest := s.visitor("guest", centrifuge.Config{}).connect()
	former := guest.greeting.ClientID
	subscription := s.subscribed(guest, "news")
	vault := s.subscribed(guest, "vault:safe", options{Recoverable: true})
	check(vault.greeting.Recoverable, true)
	bar := s.subscribed(guest, "closed:bar")
	_, err := bar.Publish(background(), []byte("1"))
	check(code(err), 103)
	name := func() any {
		_, err := subscription.Publish(background(), []byte(`"hello"`))
		must(err)
		return value(next[centrifuge.PublicationEvent](subscription.events).Info.ConnInfo).(Object)["name"]
	}
	check(name(), "guest")
	check(pick(s.asked("refresh"), "client", "user", "meta"), List{former, "guest", Object{"desk": 3}})
	for name() != "old guest" { // until the answer is there
	}
	check(next[centrifuge.UnsubscribedEvent](bar.events), Object{"Code": 2000, "Reason": "server unsubscribe"})
	_, err = vault.Publish(background(), []byte(`"still here"`))
	must(err)
	check(vault.payloads(1), List{"still here"})
	check(next[centrifuge.ConnectingEvent](guest.events), Object{"Code": 3005, "Reason": "connection expired"})
	check(next[centrifuge.ConnectedEvent](guest.events).ClientID != former, true)
	check(s.asked("refresh")["client"], former)
}

func (Scenarios) AsksABackendForChannelsAndCalls(s *Story) {
	ann := s.visitor("ann", centrifuge.Config{}).connect()
	short := s.subscribed(ann, "office:short") // whose time runs from here on
	s.asked("subscribe")
	room := s.subscribed(ann, "office:room", options{Data: []byte(`{"seat":7}`)})
	check(value(room.greeting.Data), Object{"topic": "room"})
	check(pick(s.asked("subscribe"), "client", "user", "channel", "meta", "data"),
		List{ann.greeting.ClientID, "ann", "office:room", Object{"desk": 3}, Object{"seat": 7}})
	check(s.refused(ann, "office:closed"), 1100)
	seat := func(channel string) any {
		present := s.api("presence", Object{"channel": channel}).(Object)["presence"].(Object)
		return present[ann.greeting.ClientID].(Object)["chan_info"].(Object)["seat"]
	}
	check(seat("office:room"), 7)
	speak(s, room)

	call := func(method, data string) (any, uint32) {
		result, err := ann.RPC(background(), method, []byte(data))
		return value(result.Data), code(err)
	}
	answered := func(method, data string) any {
		result, refusal := call(method, data)
		check(refusal, 0)
		return result
	}
	check(answered("add", "[1,2,3.5]"), 6.5)
	check(answered("whoami", "{}"), Object{"user": "ann", "desk": "first", "meta": Object{"desk": 3}})
	check(answered("desk:whoami", "{}"), Object{"user": "ann", "desk": "second", "meta": Object{"desk": 3}})
	for method, refusal := range map[string]uint32{"dance": 1404, "nowhere:dance": 104} {
		_, got := call(method, "{}")
		check(got, refusal)
	}

	check(pick(s.asked("sub_refresh"), "client", "user", "channel"), List{ann.greeting.ClientID, "ann", "office:short"})
	for seat("office:short") != 2.0 { // until the answer is there
	}
	check(next[centrifuge.SubscribingEvent](short.events), Object{"Code": 2501, "Reason": "subscription expired"})
	next[centrifuge.SubscribedEvent](short.events) // it has asked once more
	check(seat("office:short"), 0)

	_, err := room.Presence(background())
	check(code(err), 103)
	study := s.subscribed(ann, "office:study")
	_, err = study.Publish(background(), []byte(`{"say":"damn"}`)) // what is allowed is not asked about
	must(err)
	check(study.payloads(1), List{Object{"say": "damn"}})
	present, err := study.Presence(background())
	must(err)
	check(slices.Collect(maps.Keys(present.Clients)), List{ann.greeting.ClientID})

	ben := s.visitor("ben", centrifuge.Config{}).connect()
	must(s.newSubscription(ben, "office:cellar").Subscribe())
	check(ben.end(), Object{"Code": 4502, "Reason": "out of here"})
	if _, err := ann.RPC(background(), "leave", []byte("{}")); err == nil {
		panic("the call has an answer")
	}
	check(ann.end(), Object{"Code": 4503, "Reason": "as you like"})
}

// speak has the backend judge what is said in a room.
func speak(s *Story, room *Subscription) {
	say := func(text string) uint32 {
		_, err := room.Publish(background(), []byte(`{"say":"`+text+`"}`))
		return code(err)
	}
	for _, text := range []string{"hello", "HEY", "between us"} {
		check(say(text), 0)
	}
	check(say("damn"), 1200)
	said := func(publication centrifuge.Publication) any { return value(publication.Data).(Object)["say"] }
	var heard List
	for range 3 {
		publication := next[centrifuge.PublicationEvent](room.events).Publication
		check(publication.Info.User, "ann")
		heard = append(heard, List{said(publication), publication.Tags["edited"], publication.Offset})
	}
	check(heard, List{List{"hello", "", 1}, List{"hey", "yes", 2}, List{"between us", "", 0}})
	kept, err := room.History(background(), centrifuge.WithHistoryLimit(10))
	must(err)
	check(List{said(kept.Publications[0]), said(kept.Publications[1]), len(kept.Publications)}, List{"hello", "hey", 2})
	check(pick(s.asked("publish"), "user", "channel", "data"), List{"ann", "office:room", Object{"say": "hello"}})
}

func (Scenarios) HasAStreamOfItsOwn(s *Story) {
	ann, ben := s.visitor("ann", centrifuge.Config{}).connect(), s.visitor("ben", centrifuge.Config{}).connect()
	feed := s.subscribed(ann, "feed:news", options{Data: []byte(`{"about":"chess"}`)})
	check(value(feed.greeting.Data), Object{"time": 1})
	check(pick(s.asked("stream"), "user", "channel", "data"), List{"ann", "feed:news", Object{"about": "chess"}})
	for number := range 3 {
		publication := next[centrifuge.PublicationEvent](feed.events)
		check(List{value(publication.Data), publication.Tags, publication.Offset},
			List{number + 1, Object{"about": "chess"}, 0})
	}
	s.publish("feed:news", "to all")
	check(feed.payloads(1), List{"to all"})
	_, err := feed.Publish(background(), []byte(`"to the backend"`))
	check(code(err), 108)
	check(s.refused(ann, "feed:closed"), 1100)

	ending := s.subscribed(ann, "feed:ending")
	check(ending.payloads(3), List{1, 2, 3})
	check(next[centrifuge.UnsubscribedEvent](ending.events), Object{"Code": 2000, "Reason": "server unsubscribe"})
	check(s.asked("end")["channel"], "feed:ending")
	failing := s.subscribed(ann, "feed:failing")
	check(failing.payloads(3), List{1, 2, 3})
	check(next[centrifuge.SubscribingEvent](failing.events), Object{"Code": 2500, "Reason": "insufficient state"})
	check(value(next[centrifuge.SubscribedEvent](failing.events).Data), Object{"time": 2})
	check(failing.payloads(3), List{1, 2, 3})
	check(s.asked("end")["channel"], "feed:failing")

	mine, theirs := s.subscribed(ann, "talk:desk"), s.subscribed(ben, "talk:desk")
	for subscription, text := range map[*Subscription]string{mine: "psst", theirs: "hey"} {
		_, err := subscription.Publish(background(), []byte(`{"say":"`+text+`"}`))
		must(err)
		check(subscription.payloads(1), List{Object{"echo": Object{"say": text}}}) // each has a backend to itself
	}
	check(List{count[centrifuge.PublicationEvent](mine.events), count[centrifuge.PublicationEvent](theirs.events)},
		List{1, 1})
	must(mine.Unsubscribe())
	check(s.asked("end")["channel"], "talk:desk")
	must(ben.Disconnect())
	check(s.asked("end")["channel"], "talk:desk")
}
