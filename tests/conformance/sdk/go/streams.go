package main

import (
	"fmt"
	"math/rand"
	"strings"
	"sync/atomic"

	"github.com/centrifugal/centrifuge-go"
)

func (Scenarios) RecoversWhatItMissed(s *Story) {
	client := s.relayed()
	subscription := s.subscribed(client, "news")
	check(List{subscription.greeting.Recoverable, subscription.greeting.WasRecovering}, List{true, false})
	s.publish("news", 1)
	check(subscription.payloads(1), List{1})

	s.networkDown()
	check(next[centrifuge.ConnectingEvent](client.events).Code, 1)
	s.publish("news", 2, 3, 4)
	s.networkUp()
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, true})
	check(again.StreamPosition.Epoch, subscription.greeting.StreamPosition.Epoch)
	s.publish("news", 5)
	for i := 2; i <= 5; i++ {
		publication := next[centrifuge.PublicationEvent](subscription.events)
		check(List{publication.Offset, value(publication.Data)}, List{i, i})
	}
}

func (Scenarios) RecoversWithoutHavingMissedAnything(s *Story) {
	subscription := s.subscribed(s.relayed(), "news")
	s.publish("news", 1)
	check(subscription.payloads(1), List{1})
	s.networkDown()
	s.networkUp()
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, true})
	s.publish("news", 2)
	check(subscription.payloads(1), List{2})
}

func (Scenarios) IsToldWhenHistoryDoesNotReachBack(s *Story) {
	client := s.relayed()
	subscription := s.subscribed(client, "short:news")
	s.publish("short:news", 1)
	check(subscription.payloads(1), List{1})
	s.networkDown()
	next[centrifuge.SubscribingEvent](subscription.events)
	s.publish("short:news", 2, 3, 4, 5)
	s.networkUp()
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered, again.StreamPosition.Offset}, List{true, false, 5})
	s.publish("short:news", 6)
	check(subscription.payloads(1), List{6})
}

func (Scenarios) HasThePositionsThatItAsksFor(s *Story) {
	client := s.relayed()
	nothing := s.subscribed(client, "asked:nothing")
	position := s.subscribed(client, "asked:position", options{Positioned: true})
	recovery := s.subscribed(client, "asked:recovery", options{Recoverable: true})
	refused := s.subscribed(client, "plain:room", options{Positioned: true, Recoverable: true})
	for subscription, granted := range map[*Subscription]List{
		nothing: {false, false, false}, position: {true, false, true}, recovery: {true, true, true},
		refused: {false, false, false},
	} {
		greeting := subscription.greeting
		check(List{greeting.Positioned, greeting.Recoverable, greeting.StreamPosition != nil}, granted)
	}
	publish := func(data any) {
		s.api("broadcast", Object{"channels": List{"asked:nothing", "asked:position", "asked:recovery"}, "data": data})
	}
	publish(1)
	for _, subscription := range []*Subscription{nothing, position, recovery} {
		check(subscription.payloads(1), List{1})
	}
	s.networkDown()
	next[centrifuge.ConnectingEvent](client.events)
	publish(2)
	s.networkUp()
	for subscription, recovers := range map[*Subscription]bool{nothing: false, position: false, recovery: true} {
		again := next[centrifuge.SubscribedEvent](subscription.events)
		check(List{again.WasRecovering, again.Recovered}, List{recovers, recovers})
	}
	publish(3)
	check(nothing.payloads(1), List{3})
	check(position.payloads(1), List{3})
	check(recovery.payloads(2), List{2, 3})
}

// The stream is forgotten while the subscription is alive: the server sees it by itself.
func (Scenarios) IsToldThatItsStreamIsAnother(s *Story) {
	client := s.user("42")
	subscription := s.subscribed(client, "fleeting:stream")
	check(next[centrifuge.SubscribingEvent](subscription.events),
		Object{"Code": 2500, "Reason": "insufficient state"})
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, false})
	if again.StreamPosition.Epoch == subscription.greeting.StreamPosition.Epoch {
		panic("the epoch is the same")
	}
	check(count[centrifuge.ConnectedEvent](client.events), 1)
}

func (Scenarios) ReconnectsWhenTheStreamOfTheServersSubscriptionIsAnother(s *Story) {
	token := s.token(Object{"sub": "42", "channels": List{"fleeting:stream"}})
	client := s.newClient(s.facts.URL, centrifuge.Config{Token: token}).connect()
	first := next[centrifuge.ServerSubscribedEvent](client.events)
	check(next[centrifuge.ConnectingEvent](client.events), Object{"Code": 3010, "Reason": "insufficient state"})
	again := next[centrifuge.ServerSubscribedEvent](client.events)
	check(List{again.Channel, again.WasRecovering, again.Recovered}, List{"fleeting:stream", true, false})
	if again.StreamPosition.Epoch == first.StreamPosition.Epoch {
		panic("the epoch is the same")
	}
}

// An application that has its state elsewhere asks for what came behind it, and loads it again when that is not to be
// had.
func (Scenarios) LoadsItsStateAgainWhenItCannotRecover(s *Story) {
	s.publish("news", 1, 2)
	var loaded atomic.Int32
	offset := uint64(1) // the state has the first publication
	subscription := s.subscribed(s.connected(), "news", options{
		GetState: func(centrifuge.SubscriptionGetStateEvent) (centrifuge.StreamPosition, error) {
			loaded.Add(1)
			epoch := s.api("history", Object{"channel": "news"}).(Object)["epoch"].(string)
			return centrifuge.StreamPosition{Offset: offset, Epoch: epoch}, nil
		},
	})
	check(List{subscription.greeting.WasRecovering, subscription.greeting.Recovered}, List{true, true})
	check(subscription.payloads(1), List{2})
	check(loaded.Load(), 1)

	offset = 0
	s.restartServer()
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, true})
	check(loaded.Load(), 2)
	s.publish("news", 3)
	check(subscription.payloads(1), List{3})
}

func (Scenarios) RecoversTheNewestFromACache(s *Story) {
	client := s.relayed()
	subscription := s.subscribed(client, "cache:price")
	s.publish("cache:price", 1)
	check(subscription.payloads(1), List{1})
	for newest := 4; newest <= 7; newest += 3 {
		s.networkDown()
		next[centrifuge.ConnectingEvent](client.events)
		s.publish("cache:price", newest-2, newest-1, newest)
		s.networkUp()
		again := next[centrifuge.SubscribedEvent](subscription.events)
		check(List{again.WasRecovering, again.Recovered}, List{true, true})
		publication := next[centrifuge.PublicationEvent](subscription.events)
		check(List{value(publication.Data), publication.Offset}, List{newest, newest})
	}
	s.networkDown()
	next[centrifuge.ConnectingEvent](client.events)
	s.networkUp()
	again := next[centrifuge.SubscribedEvent](subscription.events)
	check(List{again.WasRecovering, again.Recovered}, List{true, true})
	s.publish("cache:price", 8)
	check(subscription.payloads(1), List{8}) // and not what it has already
}

func (Scenarios) GetsTheNewestWithEverySubscription(s *Story) {
	s.publish("newest:price", 1, 2, 3)
	token := s.token(Object{"sub": "42", "channels": List{"newest:price"}})
	theirs := s.newClient(s.facts.URL, centrifuge.Config{Token: token}).connect()
	given := next[centrifuge.ServerPublicationEvent](theirs.events)
	check(List{given.Channel, value(given.Data), given.Offset}, List{"newest:price", 3, 3})

	ours := s.subscribed(s.connected(), "newest:price")
	check(List{ours.greeting.WasRecovering, ours.greeting.Recovered}, List{true, true})
	s.publish("newest:price", 4)
	check(ours.payloads(2), List{3, 4})
	check(theirs.payloads(1), List{4})
}

// documents are large and differ little, but for one; the third edit makes another character of the same first byte.
func documents() List {
	random := rand.New(rand.NewSource(1))
	var words []string
	for range 1000 {
		words = append(words, fmt.Sprintf("%08x", random.Uint32()))
	}
	page := strings.Join(words, " ")
	return List{
		Object{"page": page + " é", "edit": 0},
		Object{"page": page + " é", "edit": 1},
		Object{"page": "Vorwort: " + page + " é", "edit": 2},
		Object{"page": "Vorwort: " + page + " ü", "edit": 3},
		Object{"page": "Vorwort: " + page + " ü!", "edit": 4},
		Object{"page": "nothing", "edit": 5},
		Object{"page": page, "edit": 6},
		Object{"page": page + "!", "edit": 7},
	}
}

var fossil = options{Delta: centrifuge.DeltaTypeFossil}

// A full document has more bytes than this; a delta between two that differ little has less.
const fullBytes = 5000

// edit publishes, and is whether a delta came rather than the full document. It is the document in any case.
func (s *Story) edit(subscription *Subscription, document any) bool {
	before := s.forwarded()
	s.publish(subscription.Channel, document)
	check(subscription.payloads(1), List{document})
	return s.forwarded()-before < fullBytes
}

func (Scenarios) DecodesDeltas(s *Story) {
	subscription := s.subscribed(s.relayed(), "delta:page", fossil)
	var deltas List
	for _, document := range documents() {
		deltas = append(deltas, s.edit(subscription, document))
	}
	// In JSON a delta cannot cut a character; "nothing" is short itself, and no base for what follows it.
	isProtobuf := s.facts.Format == "protobuf"
	check(deltas, List{false, true, true, isProtobuf, true, true, false, true})
}

func (Scenarios) ContinuesDeltasAfterRecovery(s *Story) {
	client, pages := s.relayed(), documents()
	subscription := s.subscribed(client, "delta:page", fossil)
	check(List{s.edit(subscription, pages[0]), s.edit(subscription, pages[1])}, List{false, true})
	again := func(missed ...any) int {
		s.networkDown()
		next[centrifuge.ConnectingEvent](client.events)
		s.publish("delta:page", missed...)
		before := s.forwarded()
		s.networkUp()
		event := next[centrifuge.SubscribedEvent](subscription.events)
		check(List{event.WasRecovering, event.Recovered}, List{true, true})
		check(subscription.payloads(len(missed)), missed)
		return s.forwarded() - before
	}
	if bytes := again(pages[0], pages[1], pages[2], pages[0]); bytes > 3*fullBytes {
		panic(fmt.Sprintf("%d bytes are more than one full document and three deltas", bytes))
	}
	check(s.edit(subscription, pages[1]), true)
	again()
	// Nothing missed may be nothing had: the next comes whole, since the server cannot know.
	check(List{s.edit(subscription, pages[2]), s.edit(subscription, pages[1])}, List{false, true})
}

func (Scenarios) BeginsDeltasAfreshWithoutRecovery(s *Story) {
	client, pages := s.relayed(), documents()
	subscription := s.subscribed(client, "live:page", fossil)
	check(List{subscription.greeting.Positioned, subscription.greeting.Recoverable}, List{true, false})
	check(List{s.edit(subscription, pages[0]), s.edit(subscription, pages[1])}, List{false, true})
	s.networkDown()
	next[centrifuge.ConnectingEvent](client.events)
	s.publish("live:page", pages[0])
	s.networkUp()
	check(next[centrifuge.SubscribedEvent](subscription.events).WasRecovering, false)
	check(List{s.edit(subscription, pages[1]), s.edit(subscription, pages[2])}, List{false, true})
}

func (Scenarios) GetsFullDataWhereDeltasAreNotAllowed(s *Story) {
	subscription := s.subscribed(s.relayed(), "news", fossil)
	for _, document := range documents()[:3] {
		check(s.edit(subscription, document), false)
	}
}
