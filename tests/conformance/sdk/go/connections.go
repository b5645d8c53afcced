package main

import (
	"sync/atomic"

	"github.com/centrifugal/centrifuge-go"
)

func (Scenarios) ConnectsAnonymously(s *Story) {
	client := s.connected()
	if len(client.greeting.ClientID) != 36 {
		panic("the id is " + client.greeting.ClientID)
	}
	must(client.Disconnect())
	check(next[centrifuge.DisconnectedEvent](client.events), Object{"Code": 0, "Reason": "disconnect called"})
}

func (Scenarios) ConnectsWithAToken(s *Story) {
	var asked atomic.Int32
	client := s.newClient(s.facts.URL, centrifuge.Config{
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			asked.Add(1)
			return s.token(Object{"sub": "42", "info": Object{"name": "Ada"}}), nil
		},
	}).connect()
	s.subscribed(client, "room")
	id := client.greeting.ClientID
	check(s.api("presence", Object{"channel": "room"}), Object{"presence": Object{
		id: Object{"user": "42", "client": id, "conn_info": Object{"name": "Ada"}},
	}})
	check(asked.Load(), 1)
}

func (Scenarios) IsRefusedWithABadToken(s *Story) {
	client := s.newClient(s.facts.URL, centrifuge.Config{Token: s.token(Object{"sub": "42"}) + "x"})
	_ = client.Connect()
	check(next[centrifuge.DisconnectedEvent](client.events), Object{"Code": 3500, "Reason": "invalid token"})
	check(count[centrifuge.ConnectedEvent](client.events), 0)
}

func (Scenarios) IsRefusedWithoutCredentials(s *Story) {
	client := s.newClient(s.facts.URL, centrifuge.Config{})
	_ = client.Connect()
	check(next[centrifuge.DisconnectedEvent](client.events), Object{"Code": 3501, "Reason": "bad request"})
}

func (Scenarios) ReplacesAnExpiredToken(s *Story) {
	var asked atomic.Int32
	client := s.newClient(s.facts.URL, centrifuge.Config{
		Token: s.token(Object{"sub": "42"}, -10),
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			asked.Add(1)
			return s.token(Object{"sub": "42"}), nil
		},
	}).connect()
	check(asked.Load(), 1)
	check(count[centrifuge.DisconnectedEvent](client.events), 0)
}

// The fourth request for a token proves that refreshes were believed: the first token's time is over by then.
func (Scenarios) RefreshesItsToken(s *Story) {
	var asked atomic.Int32
	fourth := make(chan bool)
	client := s.newClient(s.facts.URL, centrifuge.Config{
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			if asked.Add(1) == 4 {
				close(fourth)
			}
			return s.token(Object{"sub": "42"}, 2), nil
		},
	}).connect()
	subscription := s.subscribed(client, "news")
	<-fourth
	s.publish("news", 1)
	check(subscription.payloads(1), List{1})
	check(count[centrifuge.ConnectedEvent](client.events), 1)
}

func (Scenarios) IsClosedWhenItsTokenIsNotRefreshed(s *Story) {
	never := make(chan bool)
	defer close(never)
	client := s.newClient(s.facts.URL, centrifuge.Config{
		Token:    s.token(Object{"sub": "42"}, 2),
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) { <-never; return "", centrifuge.ErrUnauthorized },
	}).connect()
	check(next[centrifuge.ConnectingEvent](client.events), Object{"Code": 3005, "Reason": "connection expired"})
}

func (Scenarios) GetsAnotherTokenForOneThatCameTooLate(s *Story) {
	var asked atomic.Int32
	client := s.newClient(s.facts.URL, centrifuge.Config{
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			switch asked.Add(1) {
			case 1:
				return s.token(Object{"sub": "42"}, 2), nil
			case 2:
				return s.token(Object{"sub": "42"}, -10), nil
			}
			return s.token(Object{"sub": "42"}), nil
		},
	}).connect()
	check(next[centrifuge.ConnectingEvent](client.events), Object{"Code": 3005, "Reason": "connection expired"})
	next[centrifuge.ConnectedEvent](client.events)
	check(asked.Load(), 3)
}

// Each token tells another info; publications carry that of the newest one.
func (Scenarios) TellsTheInfoOfItsNewestToken(s *Story) {
	var asked atomic.Int32
	published, believed := make(chan bool), make(chan bool)
	client := s.newClient(s.facts.URL, centrifuge.Config{
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			number := asked.Add(1)
			if number == 2 {
				<-published
			}
			if number == 3 { // the second has been answered
				close(believed)
			}
			return s.token(Object{"sub": "42", "info": Object{"token": min(number, 2)}}, 2), nil
		},
	}).connect()
	subscription := s.subscribed(client, "news")
	publish := func() any {
		_, err := subscription.Publish(background(), []byte(`"hello"`))
		must(err)
		return value(next[centrifuge.PublicationEvent](subscription.events).Info.ConnInfo)
	}
	check(publish(), Object{"token": 1})
	close(published)
	<-believed
	check(publish(), Object{"token": 2})
}

func (Scenarios) ReconnectsAfterARestart(s *Story) {
	client := s.connected()
	subscription := s.subscribed(client, "news")
	s.publish("news", 1)
	check(subscription.payloads(1), List{1})
	s.restartServer()
	check(next[centrifuge.ConnectingEvent](client.events), Object{"Code": 3001, "Reason": "shutdown"})
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, false})
	if again.StreamPosition.Epoch == subscription.greeting.StreamPosition.Epoch {
		panic("the epoch is the same")
	}
	s.publish("news", 2)
	check(subscription.payloads(1), List{2})
	check(count[centrifuge.DisconnectedEvent](client.events), 0)
}

func (Scenarios) IsDisconnectedByTheServer(s *Story) {
	client := s.user("42")
	s.api("disconnect", Object{"user": "42"})
	check(next[centrifuge.DisconnectedEvent](client.events), Object{"Code": 3503, "Reason": "force disconnect"})

	other := s.user("43")
	s.api("disconnect", Object{"user": "43", "disconnect": Object{"code": 4501, "reason": "gone for good"}})
	check(next[centrifuge.DisconnectedEvent](other.events), Object{"Code": 4501, "Reason": "gone for good"})
}

func (Scenarios) ReconnectsWhenTheServerAsksForIt(s *Story) {
	client := s.user("42")
	s.api("disconnect", Object{"user": "42", "disconnect": Object{"code": 4001, "reason": "come back"}})
	check(next[centrifuge.ConnectingEvent](client.events), Object{"Code": 4001, "Reason": "come back"})
	if next[centrifuge.ConnectedEvent](client.events).ClientID == client.greeting.ClientID {
		panic("the id is the same")
	}
}

// Nothing listens to messages without a channel; the server says so, for good.
func (Scenarios) IsDisconnectedForAMessage(s *Story) {
	client := s.connected()
	must(client.Send(background(), []byte(`{"text":"anybody there?"}`)))
	check(next[centrifuge.DisconnectedEvent](client.events), Object{"Code": 3508, "Reason": "not available"})
}

func (Scenarios) KeepsOneConnectionOfAUser(s *Story) {
	first := s.user("42")
	check(next[centrifuge.ServerSubscribedEvent](first.events).Channel, "own:#42")
	other := s.user("43")
	check(next[centrifuge.ServerSubscribedEvent](other.events).Channel, "own:#43")
	second := s.user("42")
	check(next[centrifuge.ServerSubscribedEvent](second.events).Channel, "own:#42")
	check(next[centrifuge.DisconnectedEvent](first.events), Object{"Code": 3504, "Reason": "connection limit"})

	s.publish("own:#42", Object{"for": 42})
	s.publish("own:#43", Object{"for": 43})
	got := next[centrifuge.ServerPublicationEvent](second.events)
	check(List{got.Channel, value(got.Data)}, List{"own:#42", Object{"for": 42}})
	check(other.payloads(1), List{Object{"for": 43}})
	check(count[centrifuge.ServerPublicationEvent](first.events), 0)
}

func (Scenarios) CallsNoMethods(s *Story) {
	_, err := s.connected().RPC(background(), "anything", []byte("{}"))
	check(code(err), 108)
}

func (Scenarios) CallsTheMethodPing(s *Story) {
	client := s.connected()
	answer, err := client.RPC(background(), "ping", []byte("{}"))
	must(err)
	check(value(answer.Data), nil)
	_, err = client.RPC(background(), "anything", []byte("{}"))
	check(code(err), 104)
}
