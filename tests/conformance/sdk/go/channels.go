package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/centrifugal/centrifuge-go"
)

func (Scenarios) DeliversPublications(s *Story) {
	writer, reader := s.user("writer"), s.connected()
	here, there := s.subscribed(writer, "news"), s.subscribed(reader, "news")
	_, err := here.Publish(background(), []byte(`{"text":"grüß dich, 世界","n":1.5}`))
	must(err)
	s.api("publish", Object{"channel": "news", "data": List{1, nil, true}, "tags": Object{"kind": "api"}})

	for _, subscription := range []*Subscription{here, there} {
		first := next[centrifuge.PublicationEvent](subscription.events)
		check(List{value(first.Data), first.Offset}, List{Object{"text": "grüß dich, 世界", "n": 1.5}, 1})
		check(List{first.Info.User, first.Info.Client}, List{"writer", writer.greeting.ClientID})
		second := next[centrifuge.PublicationEvent](subscription.events)
		check(List{value(second.Data), second.Offset, second.Tags, second.Info},
			List{List{1, nil, true}, 2, Object{"kind": "api"}, nil})
	}
}

func (Scenarios) KeepsTheOrderOfManyPublications(s *Story) {
	subscription := s.subscribed(s.connected(), "stream")
	var commands, expected List
	for i := range 250 {
		expected = append(expected, Object{"i": i})
		commands = append(commands, Object{"publish": Object{"channel": "stream", "data": Object{"i": i}}})
	}
	s.api("batch", Object{"commands": commands})
	check(subscription.payloads(len(expected)), expected)
}

func (Scenarios) CarriesBytes(s *Story) {
	var bytes []byte
	for i := range 256 {
		bytes = append(bytes, byte(i))
	}
	subscription := s.subscribed(s.connected(), "bytes")
	s.api("publish", Object{"channel": "bytes", "b64data": bytes})
	_, err := subscription.Publish(background(), bytes)
	must(err)
	for range 2 {
		check(next[centrifuge.PublicationEvent](subscription.events).Data, bytes)
	}
	history, err := subscription.History(background(), centrifuge.WithHistoryLimit(10))
	must(err)
	check(List{history.Publications[0].Data, history.Publications[1].Data, len(history.Publications)},
		List{bytes, bytes, 2})
}

func (Scenarios) PublishesWhereItMay(s *Story) {
	client := s.user("42")
	subscription := s.subscribed(client, "news")
	publish := func(channel, data string) uint32 {
		_, err := client.Publish(background(), channel, []byte(data))
		return code(err)
	}
	check(publish("news", `"from the client"`), 0)
	_, err := subscription.Publish(background(), []byte(`"from the subscription"`))
	must(err)
	check(subscription.payloads(2), List{"from the client", "from the subscription"})

	check(publish("stream", "1"), 103) // only subscribers may
	check(publish("closed:room", "1"), 103)
	check(publish("nowhere:room", "1"), 102)
	check(publish("objects:box", "[1]"), 107)
	check(publish("objects:box", `{"in":"the box"}`), 0) // without a subscription
	check(s.api("history", Object{"channel": "objects:box", "limit": 10}).(Object)["publications"], List{Object{
		"data": Object{"in": "the box"}, "offset": 1, "info": Object{"user": "42", "client": client.greeting.ClientID},
	}})
}

func (Scenarios) ShowsPresence(s *Story) {
	first := s.newClient(s.facts.URL, centrifuge.Config{
		Token: s.token(Object{"sub": "one", "info": Object{"name": "Ada"}}),
	}).connect()
	token := func(role string, user string) options {
		return options{
			Token: s.token(Object{"sub": user, "channel": "room", "info": Object{"role": role}}),
		}
	}
	again, other := s.user("one"), s.connected()
	here := s.subscribed(first, "room", token("host", "one"))
	s.subscribed(again, "room", token("guest", "one"))
	there := s.subscribed(other, "room")

	present := func() any {
		result, err := here.Presence(background())
		must(err)
		people := Object{}
		for id, info := range result.Clients {
			people[id] = List{info.Client, info.User, value(info.ConnInfo), value(info.ChanInfo)}
		}
		return people
	}
	host, guest, visitor := first.greeting.ClientID, again.greeting.ClientID, other.greeting.ClientID
	everybody := Object{
		host:    List{host, "one", Object{"name": "Ada"}, Object{"role": "host"}},
		guest:   List{guest, "one", nil, Object{"role": "guest"}},
		visitor: List{visitor, "", nil, nil},
	}
	check(present(), everybody)
	stats, err := there.PresenceStats(background())
	must(err)
	check(List{stats.NumClients, stats.NumUsers}, List{3, 2})

	must(there.Unsubscribe())
	_, err = other.Presence(background(), "room")
	check(code(err), 103) // and the server has handled what was sent before
	delete(everybody, visitor)
	check(present(), everybody)
	_, err = first.PresenceStats(background(), "plain:room")
	check(code(err), 108)
}

func (Scenarios) SeesWhoJoinsAndLeaves(s *Story) {
	token := s.token(Object{"sub": "one", "info": Object{"name": "Ada"}})
	watching, guest, other := s.user("0"), s.newClient(s.facts.URL, centrifuge.Config{Token: token}).connect(), s.user("2")
	watcher := s.subscribed(watching, "lobby:main")
	joined := func(subscription *Subscription) any {
		info := next[centrifuge.JoinEvent](subscription.events).ClientInfo
		return List{info.Client, info.User, value(info.ConnInfo), value(info.ChanInfo)}
	}
	left := func(subscription *Subscription) any {
		info := next[centrifuge.LeaveEvent](subscription.events).ClientInfo
		return List{info.Client, info.User, value(info.ConnInfo), value(info.ChanInfo)}
	}
	ada := List{guest.greeting.ClientID, "one", Object{"name": "Ada"}, Object{"role": "guest"}}
	second := List{other.greeting.ClientID, "2", nil, nil}

	check(joined(watcher), List{watching.greeting.ClientID, "0", nil, nil}) // a subscriber sees itself as well
	visit := s.subscribed(guest, "lobby:main", options{
		Token: s.token(Object{"sub": "one", "channel": "lobby:main", "info": Object{"role": "guest"}}),
	})
	check(List{joined(watcher), joined(visit)}, List{ada, ada})
	s.subscribed(other, "lobby:main")
	check(List{joined(watcher), joined(visit)}, List{second, second})
	must(visit.Unsubscribe())
	check(left(watcher), ada)
	must(other.Disconnect())
	check(left(watcher), second)
	check(List{count[centrifuge.JoinEvent](watcher.events), count[centrifuge.LeaveEvent](watcher.events)}, List{3, 2})
	check(count[centrifuge.LeaveEvent](visit.events), 0)
}

func (Scenarios) SeesWhoJoinsIfItAsks(s *Story) {
	asking, silent, guest := s.user("1"), s.user("2"), s.user("3")
	told := s.subscribed(asking, "hall:main", options{JoinLeave: true})
	untold := s.subscribed(silent, "hall:main")
	visit := s.subscribed(guest, "hall:main")
	must(visit.Unsubscribe())
	var joined []string
	for range 3 {
		joined = append(joined, next[centrifuge.JoinEvent](told.events).User)
	}
	slices.Sort(joined) // each connection tells it on its own
	check(joined, List{"1", "2", "3"})
	check(next[centrifuge.LeaveEvent](told.events).User, "3")
	s.publish("hall:main", 1)
	check(untold.payloads(1), List{1})
	check(List{count[centrifuge.JoinEvent](untold.events), count[centrifuge.LeaveEvent](untold.events)}, List{0, 0})
}

func (s *Story) hearsChannels(isNumbered bool) {
	channel := "lobby:" + strings.Repeat("n", 150) // longer than what is pushed beside it
	client := s.newClient(s.facts.Relay, centrifuge.Config{Token: s.token(Object{"sub": "1"})}).connect()
	subscription := s.subscribed(client, channel)
	next[centrifuge.JoinEvent](subscription.events) // its own
	hear := func(number int) {
		before := s.forwarded()
		s.publish(channel, number)
		check(subscription.payloads(1), List{number})
		check(s.forwarded()-before < len(channel), isNumbered)
	}
	hear(1)
	visit := s.subscribed(s.user("2"), channel)
	check(next[centrifuge.JoinEvent](subscription.events).User, "2")
	must(visit.Unsubscribe())
	check(next[centrifuge.LeaveEvent](subscription.events).User, "2")
	hear(2)

	must(subscription.Unsubscribe())
	next[centrifuge.UnsubscribedEvent](subscription.events)
	must(subscription.Subscribe())
	next[centrifuge.SubscribedEvent](subscription.events)
	next[centrifuge.JoinEvent](subscription.events)
	hear(3)

	s.networkDown()
	next[centrifuge.ConnectingEvent](client.events)
	s.publish(channel, 4)
	s.networkUp()
	check(next[centrifuge.SubscribedEvent](subscription.events).Recovered, true)
	s.publish(channel, 5)
	check(subscription.payloads(2), List{4, 5})
	s.api("unsubscribe", Object{"user": "1", "channel": channel})
	check(next[centrifuge.UnsubscribedEvent](subscription.events).Code, 2000)
}

func (Scenarios) HearsChannelsByNumber(s *Story) {
	s.hearsChannels(s.facts.Format == "json") // as the server does unless it is told otherwise
}

func (Scenarios) HearsChannelsByNumberInProtobuf(s *Story) { s.hearsChannels(true) }

func (Scenarios) PagesThroughHistory(s *Story) {
	subscription := s.subscribed(s.connected(), "pages")
	s.publish("pages", 1, 2, 3, 4, 5, 6, 7)
	history := func(asked ...centrifuge.HistoryOption) (List, uint64, string) {
		result, err := subscription.History(background(), asked...)
		must(err)
		page := List{}
		for _, publication := range result.Publications {
			check(value(publication.Data), publication.Offset)
			page = append(page, publication.Offset)
		}
		return page, result.Offset, result.Epoch
	}
	since := func(offset uint64, epoch string) centrifuge.HistoryOption {
		return centrifuge.WithHistorySince(&centrifuge.StreamPosition{Offset: offset, Epoch: epoch})
	}
	nothing, top, epoch := history(centrifuge.WithHistoryLimit(0))
	check(List{nothing, top}, List{List{}, 7})

	walk := func(asked ...centrifuge.HistoryOption) List {
		pages := List{}
		for {
			page, offset, same := history(append(asked, centrifuge.WithHistoryLimit(3))...)
			check(List{offset, same}, List{7, epoch})
			if len(page) == 0 {
				return pages
			}
			pages = append(pages, page)
			asked = append(asked, since(page[len(page)-1].(uint64), epoch))
		}
	}
	check(walk(since(0, epoch)), List{List{1, 2, 3}, List{4, 5, 6}, List{7}})
	check(walk(centrifuge.WithHistoryReverse(true)), List{List{7, 6, 5}, List{4, 3, 2}, List{1}})
	_, err := subscription.History(background(), since(1, "another"))
	check(code(err), 112)
}

func (Scenarios) LearnsWhyItIsRefused(s *Story) {
	client := s.connected()
	for channel, reason := range map[string]uint32{
		"closed:room": 103, "members:room": 103, "$private": 103, "nowhere:room": 102, strings.Repeat("l", 300): 107,
	} {
		check(s.refused(client, channel), reason)
	}
	plain := s.subscribed(client, "plain:room")
	_, err := plain.History(background())
	check(code(err), 108)
	_, err = plain.Presence(background())
	check(code(err), 108)
	check(client.State(), centrifuge.StateConnected)
}

func (Scenarios) EntersChannelsThatNameIt(s *Story) {
	one, other := s.user("42"), s.user("44")
	subscription := s.subscribed(one, "users:chat#42,43")
	check(s.refused(other, "users:chat#42,43"), 103)
	check(s.refused(other, "users:chat"), 103)
	check(s.refused(one, "users:chat#43#44"), 103) // what is behind the last boundary counts
	s.publish("users:chat#42,43", 1)
	check(subscription.payloads(1), List{1})
	s.subscribed(other, "chat#42") // where the namespace has no such channels, the name is only a name
}

func (Scenarios) ReceivesWhatItsFilterLetsThrough(s *Story) {
	client := s.relayed()
	subscription := s.subscribed(client, "tagged:sport", options{
		TagsFilter: centrifuge.FilterAnd(
			centrifuge.FilterIn("sport", "football", "rugby"),
			centrifuge.FilterOr(centrifuge.FilterGte("goals", "2.5"), centrifuge.FilterExists("final")),
			centrifuge.FilterNot(centrifuge.FilterStartsWith("league", "U"))),
	})
	publish := func(text string, pairs ...string) {
		tags := Object{}
		for i := 0; i < len(pairs); i += 2 {
			tags[pairs[i]] = pairs[i+1]
		}
		s.api("publish", Object{"channel": "tagged:sport", "data": text, "tags": tags})
	}
	round := func(number int) List {
		publish(fmt.Sprint("few goals ", number), "sport", "football", "goals", "2")
		publish(fmt.Sprint("many goals ", number), "sport", "football", "goals", "10")
		publish(fmt.Sprint("another sport ", number), "sport", "chess", "goals", "10")
		publish(fmt.Sprint("no tags ", number))
		publish(fmt.Sprint("a final ", number), "sport", "rugby", "final", "")
		publish(fmt.Sprint("the young ", number), "sport", "rugby", "final", "", "league", "U21")
		publish(fmt.Sprint("the old ", number), "sport", "rugby", "goals", "2.5", "league", "A")
		return List{fmt.Sprint("many goals ", number), fmt.Sprint("a final ", number), fmt.Sprint("the old ", number)}
	}
	check(round(1), subscription.payloads(3))

	s.networkDown()
	next[centrifuge.ConnectingEvent](client.events)
	missed := round(2)
	s.networkUp()
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, true})
	check(subscription.payloads(3), missed)
	check(round(3), subscription.payloads(3)) // what is left out is no gap
	check(count[centrifuge.SubscribedEvent](subscription.events), 2)

	must(subscription.Unsubscribe())
	must(subscription.SetTagsFilter(centrifuge.FilterEq("sport", "chess")))
	must(subscription.Subscribe())
	next[centrifuge.SubscribedEvent](subscription.events)
	publish("football", "sport", "football")
	publish("chess", "sport", "chess")
	check(subscription.payloads(1), List{"chess"})
}

func (Scenarios) IsRefusedWithABadFilter(s *Story) {
	client := s.connected()
	filtered := func(filter *centrifuge.FilterNode) options {
		return options{TagsFilter: filter}
	}
	s.subscribed(client, "tagged:good", filtered(centrifuge.FilterNin("sport", "chess")))
	check(s.refused(client, "tagged:empty", filtered(centrifuge.FilterAnd())), 107)
	check(s.refused(client, "tagged:in", filtered(centrifuge.FilterIn("sport"))), 107)
	check(s.refused(client, "news", filtered(centrifuge.FilterEq("sport", "chess"))), 107) // not allowed there
}
