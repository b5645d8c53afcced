package main

// Who a user is and what it may do, as tokens of others and the server API say.

import (
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

// When tokens were issued, and when those before do not count any more.
const past, between, later = 1000, 2000, 3000

var invalid = Object{"Code": 3500, "Reason": "invalid token"}

func seconds() int64 { return time.Now().Unix() }

func (s *Story) withToken(token string) *Client {
	return s.newClient(s.facts.URL, centrifuge.Config{Token: token}).connect()
}

func (Scenarios) IsKnownByTokensOfSeveralProviders(s *Story) {
	ann := s.withToken(s.signed("works", Object{"sub": "ann", "user": Object{"role": "editor"}}))
	ben := s.withToken(s.signed("school", Object{"sub": "ben", "https://example.com/groups": List{"chess"}}))
	cid := s.user("cid", Object{"meta": Object{"kept": true}, "user": Object{"role": "guest"}})
	known := Object{}
	for id, told := range s.api("connections", Object{}).(Object)["connections"].(Object) {
		known[id] = List{told.(Object)["user"], told.(Object)["state"].(Object)["meta"]}
	}
	check(known, Object{
		ann.greeting.ClientID: List{"ann", Object{"role": "editor"}},
		ben.greeting.ClientID: List{"ben", Object{"groups": List{"chess"}}},
		cid.greeting.ClientID: List{"cid", Object{"kept": true, "role": "guest"}},
	})
	ofRoom := func(provider, user string) string {
		return s.signed(provider, Object{"sub": user, "channel": "closed:room"})
	}
	s.subscribed(ben, "closed:room", options{Token: ofRoom("school", "ben")})
	check(s.refused(cid, "closed:room", options{Token: ofRoom("works", "cid") + "x"}), 103)
	works := "https://works.example/"
	for _, forged := range []string{
		s.token(Object{"sub": "ann", "iss": works}), s.signed("school", Object{"sub": "ann", "iss": works}),
		s.signed("school", Object{"sub": "ann", "iss": "https://nobody.example/"}),
	} {
		check(s.gone(centrifuge.Config{Token: forged}), invalid)
	}
}

func (Scenarios) IsShutOutByTheServer(s *Story) {
	refused := func(claims Object) any { return s.gone(centrifuge.Config{Token: s.token(claims)}) }
	mallory := s.user("mallory")
	s.api("block_user", Object{"user": "mallory", "expire_at": seconds() + 3600})
	check(mallory.end(), Object{"Code": 3503, "Reason": "force disconnect"})
	check(refused(Object{"sub": "mallory"}), Object{"Code": 3507, "Reason": "permission denied"})
	s.api("unblock_user", Object{"user": "mallory"})
	s.user("mallory")

	lost, kept := s.user("42", Object{"jti": "lost", "iat": later}), s.user("42", Object{"jti": "kept", "iat": later})
	s.api("revoke_token", Object{"uid": "lost"})
	check(lost.end(), invalid)
	check(refused(Object{"sub": "42", "jti": "lost", "iat": later}), invalid)

	ofRoom := func(issued int) options {
		return options{Token: s.token(Object{"sub": "42", "channel": "closed:room", "iat": issued})}
	}
	old := s.user("42", Object{"iat": past})
	subscription := s.subscribed(kept, "closed:room", ofRoom(past))
	s.api("invalidate_user_tokens", Object{"user": "42", "channel": "closed:room", "issued_before": between})
	check(next[centrifuge.UnsubscribedEvent](subscription.events), Object{"Code": 2000, "Reason": "server unsubscribe"})
	check(s.refused(old, "closed:room", ofRoom(past)), 103)
	s.api("invalidate_user_tokens", Object{"user": "42", "issued_before": between})
	check(old.end(), invalid)
	check(refused(Object{"sub": "42", "iat": past}), invalid)
	s.subscribed(s.user("42", Object{"iat": later}), "closed:room", ofRoom(later))
	news := s.subscribed(kept, "news") // it has lost the room alone
	s.publish("news", 1)
	check(news.payloads(1), List{1})
}

func (Scenarios) SaysThatItIsActive(s *Story) {
	began := seconds()
	status := func(users ...string) []any {
		return s.api("get_user_status", Object{"users": users}).(Object)["statuses"].([]any)
	}
	isNow := func(time any) bool { return time.(float64) >= float64(began) && time.(float64) <= float64(seconds()) }
	ann, stranger := s.user("ann"), s.connected()
	before := status("ann")[0].(Object)
	check(List{before["user"], before["active"], isNow(before["online"])}, List{"ann", nil, true})
	_, err := ann.RPC(background(), "update_user_status", []byte("{}"))
	must(err)
	_, err = stranger.RPC(background(), "update_user_status", []byte("{}"))
	check(code(err), 103)
	s.api("update_user_status", Object{"users": List{"ben"}, "state": "away"})
	statuses := status("ann", "ben", "nobody")
	now, ben := statuses[0].(Object), statuses[1].(Object)
	check(List{isNow(now["active"]), isNow(now["online"])}, List{true, true})
	check(List{ben["user"], ben["state"], ben["online"], isNow(ben["active"])}, List{"ben", "away", nil, true})
	check(statuses[2], Object{"user": "nobody"})
	s.api("delete_user_status", Object{"users": List{"ben"}})
	check(status("ben"), List{Object{"user": "ben"}})
}

func (Scenarios) IsListedWithWhatItDoes(s *Story) {
	listed := func(request Object) Object { return s.api("connections", request).(Object)["connections"].(Object) }
	client := s.newClient(s.facts.URL, centrifuge.Config{Name: "tests", Version: "1.2", Token: s.token(Object{
		"sub": "42", "jti": "a1", "iat": past, "meta": Object{"role": "editor"}, "channels": List{"mine"},
	})}).connect()
	s.connected()
	s.subscribed(client, "news")
	s.subscribed(client, "closed:room", options{
		Token: s.token(Object{"sub": "42", "channel": "closed:room", "jti": "s1", "iat": past}),
	})
	s.api("subscribe", Object{"user": "42", "channel": "gift"})
	ours := listed(Object{"user": "42"})
	check(slices.Collect(maps.Keys(ours)), List{client.greeting.ClientID})
	told := ours[client.greeting.ClientID].(Object)
	check(pick(told, "app_name", "app_version", "user", "transport", "protocol"),
		List{"tests", "1.2", "42", "websocket", s.facts.Format})
	state := told["state"].(Object)
	sources := Object{}
	for channel, context := range state["channels"].(Object) {
		sources[channel] = context.(Object)["source"]
	}
	check(sources, Object{"mine": 1, "closed:room": 3, "news": 6, "gift": 10})
	check(pick(state, "connection_token", "meta", "subscription_tokens"), List{
		Object{"uid": "a1", "issued_at": past}, Object{"role": "editor"},
		Object{"closed:room": Object{"uid": "s1", "issued_at": past}},
	})
	check(told["connected_at_ms"].(float64) > 0, true)
	check(len(listed(Object{})), 2)
	s.api("disconnect", Object{"user": "42", "client": client.greeting.ClientID})
	check(client.end(), Object{"Code": 3503, "Reason": "force disconnect"})
	check(listed(Object{"user": "42"}), Object{})
}

func (Scenarios) IsRefreshedByTheServer(s *Story) {
	client := s.user("42", Object{"info": Object{"role": "guest"}})
	subscription := s.subscribed(client, "news")
	info := func() any {
		_, err := subscription.Publish(background(), []byte(`"hello"`))
		must(err)
		return value(next[centrifuge.PublicationEvent](subscription.events).Info.ConnInfo)
	}
	check(info(), Object{"role": "guest"})
	s.api("refresh", Object{"user": "42", "expire_at": seconds() + 3600, "info": Object{"role": "host"}})
	check(info(), Object{"role": "host"})
	present := s.api("presence", Object{"channel": "news"}).(Object)["presence"].(Object)
	check(present[client.greeting.ClientID].(Object)["conn_info"], Object{"role": "host"})
	s.api("refresh", Object{"user": "42", "expired": true})
	check(next[centrifuge.ConnectingEvent](client.events), Object{"Code": 3005, "Reason": "connection expired"})
	next[centrifuge.ConnectedEvent](client.events)
}

func (Scenarios) DoesWhatItsTokenAllows(s *Story) {
	vault := Object{"channels": List{"vault:*"}, "match": "wildcard", "allow": List{"sub", "pub", "hst", "prs"}}
	wants := options{Recoverable: true, JoinLeave: true}
	var asked atomic.Int32
	isIn := make(chan bool)
	losing := s.newClient(s.facts.URL, centrifuge.Config{
		GetToken: func(centrifuge.ConnectionTokenEvent) (string, error) {
			if asked.Add(1) == 1 {
				return s.token(Object{"sub": "41", "caps": List{vault}}, 2), nil
			}
			<-isIn
			return s.token(Object{"sub": "41", "caps": List{}}, 300), nil
		},
	}).connect()
	lost := s.subscribed(losing, "vault:desk")
	close(isIn)

	client := s.user("42", Object{"caps": List{
		Object{"channels": List{"vault:reports"}, "allow": List{"sub"}}, vault,
		Object{"channels": List{"^closed:[0-9]+$"}, "match": "regex", "allow": List{"sub"}},
	}})
	safe := s.subscribed(client, "vault:safe", wants)
	check(safe.greeting.Recoverable, true)
	check(next[centrifuge.JoinEvent](safe.events).Client, client.greeting.ClientID)
	_, err := safe.Publish(background(), []byte(`"mine"`))
	must(err)
	check(safe.payloads(1), List{"mine"})
	present, err := safe.Presence(background())
	must(err)
	check(slices.Collect(maps.Keys(present.Clients)), List{client.greeting.ClientID})
	history, err := safe.History(background(), centrifuge.WithHistoryLimit(10))
	must(err)
	check(List{len(history.Publications), value(history.Publications[0].Data)}, List{1, "mine"})

	reports := s.subscribed(client, "vault:reports", wants) // the first entry decides
	check(reports.greeting.Recoverable, false)
	_, published := reports.Publish(background(), []byte("1"))
	_, presence := reports.Presence(background())
	_, read := reports.History(background())
	check(List{code(published), code(presence), code(read)}, List{103, 103, 103})
	s.subscribed(client, "closed:42")
	check(List{s.refused(client, "closed:room"), s.refused(client, "$vault:safe")}, List{103, 103})

	other := s.user("43")
	check(s.refused(other, "vault:desk"), 103)
	theirs := s.subscribed(other, "vault:safe", options{
		Token: s.token(Object{"sub": "43", "channel": "vault:safe", "allow": List{"pub"}}),
	})
	_, err = theirs.Publish(background(), []byte(`"theirs"`))
	must(err)
	check(safe.payloads(1), List{"theirs"})
	_, err = theirs.Presence(background())
	check(code(err), 103)

	check(next[centrifuge.UnsubscribedEvent](lost.events), Object{"Code": 2000, "Reason": "server unsubscribe"})
	check(List{asked.Load(), count[centrifuge.ConnectedEvent](losing.events)}, List{2, 1})
}
