package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

// Object is a value that becomes a JSON object.
type Object = map[string]any

// List is a value that becomes a JSON array.
type List = []any

// Story is what a scenario has at hand: the SDK, and the side that owns server and network.
type Story struct {
	facts struct {
		Format string
		URL    string
		Relay  string
		Wait   int
	}
	answers *bufio.Scanner
	asking  sync.Mutex
	last    int // question
	events  []*Events
	clients []*Client
}

func newStory(facts string) *Story {
	story := &Story{answers: bufio.NewScanner(os.Stdin)}
	story.answers.Buffer(nil, 1<<24)
	must(json.Unmarshal([]byte(facts), &story.facts))
	return story
}

func (s *Story) close() {
	for _, client := range s.clients {
		client.Close()
	}
}

func (s *Story) history() string {
	var result strings.Builder
	for _, events := range s.events {
		fmt.Fprintf(&result, "%s:\n", events.label)
		events.lock.Lock()
		for _, event := range events.history {
			fmt.Fprintf(&result, "  %T %s\n", event, text(event))
		}
		events.lock.Unlock()
	}
	return result.String()
}

// ask has the other side do something: restart, up, down, token, api, forwarded. Also from the SDK's own goroutines.
func (s *Story) ask(what string, parameters ...any) json.RawMessage {
	s.asking.Lock()
	defer s.asking.Unlock()
	s.last++
	if parameters == nil {
		parameters = List{}
	}
	fmt.Println(text(Object{"id": s.last, "do": what, "with": parameters}))
	if !s.answers.Scan() {
		panic("the other side is gone")
	}
	var answer struct {
		Result json.RawMessage
		Error  string
	}
	must(json.Unmarshal(s.answers.Bytes(), &answer))
	if answer.Error != "" {
		panic(answer.Error)
	}
	return answer.Result
}

func (s *Story) networkDown()   { s.ask("down") }
func (s *Story) networkUp()     { s.ask("up") }
func (s *Story) restartServer() { s.ask("restart") }

// forwarded is how many bytes the relay has let through to clients.
func (s *Story) forwarded() int { return int(value(s.ask("forwarded")).(float64)) }

// token has these claims; it ends after the lifetime in seconds, if there is one.
func (s *Story) token(claims Object, lifetime ...int) string {
	parameters := List{claims}
	for _, seconds := range lifetime {
		parameters = append(parameters, seconds)
	}
	return value(s.ask("token", parameters...)).(string)
}

// signed is a token that an identity provider signs.
func (s *Story) signed(provider string, claims Object) string {
	return value(s.ask("signed", provider, claims)).(string)
}

// asked is the next question about it to the backend.
func (s *Story) asked(event string) Object { return value(s.ask("asked", event)).(Object) }

// api is the result of a call of the server API.
func (s *Story) api(method string, request Object) any {
	answer := value(s.ask("api", method, request)).(Object)
	if answer["error"] != nil {
		panic(fmt.Sprintf("/api/%s %s: %s", method, text(request), text(answer["error"])))
	}
	return answer["result"]
}

func (s *Story) publish(channel string, values ...any) {
	for _, data := range values {
		s.api("publish", Object{"channel": channel, "data": data})
	}
}

// Events keeps what happens to a client or a subscription, by the type of the event, until somebody takes it.
type Events struct {
	label   string
	wait    time.Duration
	lock    sync.Mutex
	history []any
	untaken map[reflect.Type]chan any
}

func (s *Story) newEvents(label string) *Events {
	events := &Events{label: label, wait: time.Duration(s.facts.Wait) * time.Millisecond,
		untaken: map[reflect.Type]chan any{}}
	s.events = append(s.events, events)
	return events
}

func (e *Events) of(kind reflect.Type) chan any {
	if e.untaken[kind] == nil {
		e.untaken[kind] = make(chan any, 4096)
	}
	return e.untaken[kind]
}

// keep makes a handler that keeps events of one type.
func keep[T any](e *Events) func(T) {
	return func(event T) {
		e.lock.Lock()
		defer e.lock.Unlock()
		e.history = append(e.history, event)
		e.of(reflect.TypeFor[T]()) <- event
	}
}

// next is the first event of its type that nobody has taken yet.
func next[T any](e *Events) T {
	e.lock.Lock()
	untaken := e.of(reflect.TypeFor[T]())
	e.lock.Unlock()
	select {
	case event := <-untaken:
		return event.(T)
	case <-time.After(e.wait):
		panic(fmt.Sprintf("no %s of %s within %s", reflect.TypeFor[T](), e.label, e.wait))
	}
}

// all is the events of this type so far.
func all[T any](e *Events) []T {
	e.lock.Lock()
	defer e.lock.Unlock()
	var result []T
	for _, event := range e.history {
		if it, is := event.(T); is {
			result = append(result, it)
		}
	}
	return result
}

// count is how many events of this type there were.
func count[T any](e *Events) int { return len(all[T](e)) }

// Client of the SDK with what happens to it.
type Client struct {
	*centrifuge.Client
	events   *Events
	greeting centrifuge.ConnectedEvent
}

// newClient is not yet connected. Over the relay, if the scenario breaks the network.
func (s *Story) newClient(url string, config centrifuge.Config) *Client {
	wait := time.Duration(s.facts.Wait) * time.Millisecond
	config.MinReconnectDelay, config.MaxReconnectDelay = 20*time.Millisecond, 200*time.Millisecond
	config.ReadTimeout, config.WriteTimeout, config.HandshakeTimeout = wait, wait, wait
	make := centrifuge.NewJsonClient
	if s.facts.Format == "protobuf" {
		make = centrifuge.NewProtobufClient
	}
	events := s.newEvents(fmt.Sprintf("client %d", len(s.clients)+1))
	client := &Client{Client: make(url, config), events: events}
	client.OnConnecting(keep[centrifuge.ConnectingEvent](events))
	client.OnConnected(keep[centrifuge.ConnectedEvent](events))
	client.OnDisconnected(keep[centrifuge.DisconnectedEvent](events))
	client.OnSubscribing(keep[centrifuge.ServerSubscribingEvent](events))
	client.OnSubscribed(keep[centrifuge.ServerSubscribedEvent](events))
	client.OnUnsubscribed(keep[centrifuge.ServerUnsubscribedEvent](events))
	client.OnPublication(keep[centrifuge.ServerPublicationEvent](events))
	client.OnJoin(keep[centrifuge.ServerJoinEvent](events))
	client.OnLeave(keep[centrifuge.ServerLeaveEvent](events))
	client.OnError(keep[centrifuge.ErrorEvent](events))
	s.clients = append(s.clients, client)
	return client
}

// connect ends as soon as the server has answered.
func (c *Client) connect() *Client {
	_ = c.Connect() // a failure is an event as well, and tried again
	c.greeting = next[centrifuge.ConnectedEvent](c.events)
	next[centrifuge.ConnectingEvent](c.events)
	return c
}

func (s *Story) connected() *Client { return s.newClient(s.facts.URL, centrifuge.Config{}).connect() }

// relayed is connected over the network that a scenario can break.
func (s *Story) relayed() *Client { return s.newClient(s.facts.Relay, centrifuge.Config{}).connect() }

// user is connected with a token of this user.
func (s *Story) user(name string, more ...Object) *Client {
	claims := Object{"sub": name}
	for _, some := range more {
		maps.Copy(claims, some)
	}
	return s.newClient(s.facts.URL, centrifuge.Config{Token: s.token(claims)}).connect()
}

// visitor is not yet connected; the backend knows it by a header.
func (s *Story) visitor(name string, config centrifuge.Config) *Client {
	config.Header = http.Header{"Authorization": {name}}
	return s.newClient(s.facts.Relay, config)
}

// end is how the connection ends for good.
func (c *Client) end() centrifuge.DisconnectedEvent {
	return next[centrifuge.DisconnectedEvent](c.events)
}

// gone is how a connection ends instead of beginning.
func (s *Story) gone(config centrifuge.Config) centrifuge.DisconnectedEvent {
	client := s.newClient(s.facts.URL, config)
	_ = client.Connect()
	return client.end()
}

// payloads are those of the next publications in all subscriptions that the server has made.
func (c *Client) payloads(count int) List {
	var result List
	for range count {
		result = append(result, value(next[centrifuge.ServerPublicationEvent](c.events).Data))
	}
	return result
}

// Subscription of the SDK with what happens to it.
type Subscription struct {
	*centrifuge.Subscription
	events   *Events
	greeting centrifuge.SubscribedEvent
}

type options = centrifuge.SubscriptionConfig

func (s *Story) newSubscription(client *Client, channel string, given ...options) *Subscription {
	var config options
	if len(given) > 0 {
		config = given[0]
	}
	config.MinResubscribeDelay, config.MaxResubscribeDelay = 20*time.Millisecond, 200*time.Millisecond
	made, err := client.NewSubscription(channel, config)
	must(err)
	events := s.newEvents("subscription to " + channel)
	made.OnSubscribing(keep[centrifuge.SubscribingEvent](events))
	made.OnSubscribed(keep[centrifuge.SubscribedEvent](events))
	made.OnUnsubscribed(keep[centrifuge.UnsubscribedEvent](events))
	made.OnPublication(keep[centrifuge.PublicationEvent](events))
	made.OnJoin(keep[centrifuge.JoinEvent](events))
	made.OnLeave(keep[centrifuge.LeaveEvent](events))
	made.OnError(keep[centrifuge.SubscriptionErrorEvent](events))
	return &Subscription{Subscription: made, events: events}
}

func (s *Story) subscribed(client *Client, channel string, given ...options) *Subscription {
	subscription := s.newSubscription(client, channel, given...)
	must(subscription.Subscribe())
	subscription.greeting = next[centrifuge.SubscribedEvent](subscription.events)
	next[centrifuge.SubscribingEvent](subscription.events)
	return subscription
}

// refused is the code with which a subscription ends instead of beginning.
func (s *Story) refused(client *Client, channel string, given ...options) uint32 {
	subscription := s.newSubscription(client, channel, given...)
	must(subscription.Subscribe())
	return next[centrifuge.UnsubscribedEvent](subscription.events).Code
}

// payloads are those of the next publications.
func (s *Subscription) payloads(count int) List {
	var result List
	for range count {
		result = append(result, value(next[centrifuge.PublicationEvent](s.events).Data))
	}
	return result
}

// value is what JSON says; nothing for no bytes.
func value(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	var result any
	must(json.Unmarshal(data, &result))
	return result
}

func text(value any) string {
	result, err := json.Marshal(value)
	must(err)
	return string(result)
}

// check demands that two values are the same JSON.
func check(got, want any) {
	if text(got) != text(want) {
		panic(fmt.Sprintf("got  %s\nwant %s", text(got), text(want)))
	}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// code of the error with which the server has answered a command; 0 if it did not.
func code(err error) uint32 {
	var answer *centrifuge.Error
	if errors.As(err, &answer) {
		return answer.Code
	}
	var copied centrifuge.Error
	if errors.As(err, &copied) {
		return copied.Code
	}
	if err != nil {
		panic(err)
	}
	return 0
}

func background() context.Context { return context.Background() }
