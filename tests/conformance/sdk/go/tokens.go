package main

import (
	"sync/atomic"

	"github.com/centrifugal/centrifuge-go"
)

func (Scenarios) SubscribesWithAToken(s *Story) {
	client := s.user("42")
	for _, channel := range []string{"closed:room", "$private"} {
		var asked atomic.Int32
		subscription := s.subscribed(client, channel, options{
			GetToken: func(event centrifuge.SubscriptionTokenEvent) (string, error) {
				asked.Add(1)
				return s.token(Object{"sub": "42", "channel": event.Channel, "info": Object{"role": "guest"},
					"data": Object{"welcome": true}}), nil
			},
		})
		check(List{asked.Load(), value(subscription.greeting.Data)}, List{1, Object{"welcome": true}})
		presence := s.api("presence", Object{"channel": channel}).(Object)["presence"].(Object)
		check(presence[client.greeting.ClientID].(Object)["chan_info"], Object{"role": "guest"})
		s.publish(channel, 1)
		check(subscription.payloads(1), List{1})
	}
	forged := options{Token: s.token(Object{"sub": "42", "channel": "closed:other"}) + "x"}
	check(s.refused(client, "closed:other", forged), 103)
}

func (Scenarios) IsDisconnectedForATokenOfAnother(s *Story) {
	for channel, claims := range map[string]Object{
		"closed:one": {"sub": "43", "channel": "closed:one"}, "closed:two": {"sub": "42", "channel": "closed:one"},
	} {
		client := s.user("42")
		token := options{Token: s.token(claims)}
		must(s.newSubscription(client, channel, token).Subscribe())
		check(next[centrifuge.DisconnectedEvent](client.events), Object{"Code": 3500, "Reason": "invalid token"})
	}
}

func (Scenarios) RefreshesItsSubscriptionToken(s *Story) {
	var asked atomic.Int32
	fourth := make(chan bool)
	subscription := s.subscribed(s.connected(), "closed:room", options{
		GetToken: func(event centrifuge.SubscriptionTokenEvent) (string, error) {
			if asked.Add(1) == 4 {
				close(fourth)
			}
			return s.token(Object{"channel": event.Channel}, 2), nil
		},
	})
	<-fourth
	s.publish("closed:room", 1)
	check(subscription.payloads(1), List{1})
	check(count[centrifuge.SubscribedEvent](subscription.events), 1)
}

func (Scenarios) LosesASubscriptionWhoseTokenComesTooLate(s *Story) {
	var asked atomic.Int32
	client := s.connected()
	subscription := s.subscribed(client, "closed:room", options{
		GetToken: func(event centrifuge.SubscriptionTokenEvent) (string, error) {
			lifetime := 2
			if asked.Add(1) == 2 {
				lifetime = -10
			}
			return s.token(Object{"channel": event.Channel}, lifetime), nil
		},
	})
	check(next[centrifuge.UnsubscribedEvent](subscription.events), Object{"Code": 109, "Reason": "token expired"})
	check(List{asked.Load(), count[centrifuge.ConnectedEvent](client.events)}, List{2, 1})
}

func (Scenarios) LosesASubscriptionWhoseTokenIsNotRefreshed(s *Story) {
	var asked atomic.Int32
	never := make(chan bool)
	defer close(never)
	client := s.connected()
	subscription := s.subscribed(client, "closed:room", options{
		GetToken: func(event centrifuge.SubscriptionTokenEvent) (string, error) {
			switch asked.Add(1) {
			case 1:
				return s.token(Object{"channel": event.Channel}, 2), nil
			case 2:
				<-never // the refresh
			}
			return s.token(Object{"channel": event.Channel}), nil
		},
	})
	check(next[centrifuge.SubscribingEvent](subscription.events),
		Object{"Code": 2501, "Reason": "subscription expired"})
	next[centrifuge.SubscribedEvent](subscription.events) // with the third token
	s.publish("closed:room", 1)
	check(subscription.payloads(1), List{1})
	check(List{asked.Load(), count[centrifuge.ConnectedEvent](client.events)}, List{3, 1})
}

func (Scenarios) ReplacesAnExpiredSubscriptionToken(s *Story) {
	var asked atomic.Int32
	s.subscribed(s.connected(), "closed:room", options{
		Token: s.token(Object{"channel": "closed:room"}, -10),
		GetToken: func(event centrifuge.SubscriptionTokenEvent) (string, error) {
			asked.Add(1)
			return s.token(Object{"channel": event.Channel}), nil
		},
	})
	check(asked.Load(), 1)
}

func (Scenarios) GetsTheSubscriptionsOfItsToken(s *Story) {
	token := s.token(Object{"sub": "42", "channels": List{"mine"}})
	client := s.newClient(s.facts.Relay, centrifuge.Config{Token: token}).connect()
	greeting := next[centrifuge.ServerSubscribedEvent](client.events)
	check(List{greeting.Channel, greeting.Recoverable}, List{"mine", true})
	s.publish("mine", 1)
	first := next[centrifuge.ServerPublicationEvent](client.events)
	check(List{first.Channel, value(first.Data), first.Offset}, List{"mine", 1, 1})

	s.networkDown()
	next[centrifuge.ServerSubscribingEvent](client.events)
	s.publish("mine", 2, 3)
	s.networkUp()
	again := next[centrifuge.ServerSubscribedEvent](client.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, true})
	check(client.payloads(2), List{2, 3})
	s.api("unsubscribe", Object{"user": "42", "channel": "mine"})
	check(next[centrifuge.ServerUnsubscribedEvent](client.events).Channel, "mine")
}

func (Scenarios) GetsSubscriptionsWithOptionsOfItsToken(s *Story) {
	on := Object{"value": true}
	client := s.newClient(s.facts.URL, centrifuge.Config{Token: s.token(Object{"sub": "42", "subs": Object{
		"closed:room": Object{"info": Object{"role": "owner"}, "data": Object{"welcome": true},
			"override": Object{"join_leave": on, "force_push_join_leave": on}},
	}})}).connect()
	greeting := next[centrifuge.ServerSubscribedEvent](client.events)
	check(List{greeting.Channel, value(greeting.Data), greeting.Recoverable},
		List{"closed:room", Object{"welcome": true}, false})
	joined := next[centrifuge.ServerJoinEvent](client.events)
	check(List{joined.Channel, joined.User, joined.Client, value(joined.ChanInfo)},
		List{"closed:room", "42", client.greeting.ClientID, Object{"role": "owner"}})

	guest := s.user("43")
	s.api("subscribe", Object{"user": "43", "channel": "closed:room", "info": Object{"role": "guest"},
		"override": Object{"join_leave": on}})
	next[centrifuge.ServerSubscribedEvent](guest.events)
	s.api("unsubscribe", Object{"user": "43", "channel": "closed:room"})
	joined = next[centrifuge.ServerJoinEvent](client.events)
	left := next[centrifuge.ServerLeaveEvent](client.events)
	check(List{joined.User, value(joined.ChanInfo)}, List{"43", Object{"role": "guest"}})
	check(List{left.Channel, left.User, left.Client}, List{"closed:room", "43", guest.greeting.ClientID})
	check(count[centrifuge.ServerJoinEvent](guest.events), 0)
}

func (Scenarios) IsSubscribedByTheServer(s *Story) {
	client := s.newClient(s.facts.Relay, centrifuge.Config{Token: s.token(Object{"sub": "42"})}).connect()
	kept := s.subscribed(client, "kept")
	s.api("subscribe", Object{"user": "42", "channel": "gift", "data": Object{"from": "server"}})
	greeting := next[centrifuge.ServerSubscribedEvent](client.events)
	check(List{greeting.Channel, value(greeting.Data), greeting.Recoverable},
		List{"gift", Object{"from": "server"}, true})
	s.publish("gift", 1)
	check(client.payloads(1), List{1})

	s.networkDown()
	check(next[centrifuge.ServerSubscribingEvent](client.events).Channel, "gift")
	s.publish("gift", 2, 3)
	s.networkUp()
	again := next[centrifuge.ServerSubscribedEvent](client.events)
	check(List{again.Channel, again.WasRecovering, again.Recovered}, List{"gift", true, true})
	check(client.payloads(2), List{2, 3})

	next[centrifuge.SubscribedEvent](kept.events) // after the drop of the network
	s.api("unsubscribe", Object{"user": "42", "channel": "gift"})
	check(next[centrifuge.ServerUnsubscribedEvent](client.events).Channel, "gift")
	s.api("disconnect", Object{"user": "42", "disconnect": Object{"code": 4001, "reason": "come back"}})
	next[centrifuge.SubscribedEvent](kept.events)
	s.publish("gift", 4)
	s.publish("kept", 5)
	check(kept.payloads(1), List{5})
	check(List{count[centrifuge.ServerSubscribedEvent](client.events),
		count[centrifuge.ServerPublicationEvent](client.events)}, List{2, 3})
}

// A new connection may keep only what the client could subscribe to by itself.
func (Scenarios) LosesTheServersSubscriptionToAClosedChannel(s *Story) {
	client := s.user("42")
	for _, channel := range []string{"closed:gift", "gift"} {
		s.api("subscribe", Object{"user": "42", "channel": channel})
		check(next[centrifuge.ServerSubscribedEvent](client.events).Channel, channel)
	}
	s.publish("closed:gift", 1)
	check(client.payloads(1), List{1})
	s.api("disconnect", Object{"user": "42", "disconnect": Object{"code": 4001, "reason": "come back"}})
	check(next[centrifuge.ServerSubscribedEvent](client.events).Channel, "gift")
	check(next[centrifuge.ServerUnsubscribedEvent](client.events).Channel, "closed:gift")
}

func (Scenarios) IsUnsubscribedByTheServer(s *Story) {
	client := s.user("42")
	left, kept := s.subscribed(client, "left"), s.subscribed(client, "kept")
	s.api("unsubscribe", Object{"user": "42", "channel": "left"})
	check(next[centrifuge.UnsubscribedEvent](left.events), Object{"Code": 2000, "Reason": "server unsubscribe"})
	s.publish("left", 1)
	s.publish("kept", 2)
	check(kept.payloads(1), List{2})
	check(count[centrifuge.PublicationEvent](left.events), 0)

	must(left.Subscribe()) // from where it was: what it missed arrives
	check(next[centrifuge.SubscribedEvent](left.events).Recovered, true)
	check(left.payloads(1), List{1})
}
