// gyre_bench_peer: what bench/run.py compares Gyre with. A server of the same client protocol made of the public
// library centrifuge with its memory engine, net/http, encoding/json and golang-jwt, all with their defaults. It reads
// the few keys of the configuration that the benchmarks write, and judges nothing else.
//
// usage: gyre_bench_peer -c CONFIG.json
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/golang-jwt/jwt/v5"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// duration is written as text in the configuration.
type duration time.Duration

func (d *duration) UnmarshalJSON(text []byte) error {
	var value string
	if err := json.Unmarshal(text, &value); err != nil {
		return err
	}
	parsed, err := time.ParseDuration(value)
	*d = duration(parsed)
	return err
}

// channelOptions are those of a namespace.
type channelOptions struct {
	Name                       string   `json:"name"`
	AllowSubscribeForClient    bool     `json:"allow_subscribe_for_client"`
	AllowSubscribeForAnonymous bool     `json:"allow_subscribe_for_anonymous"`
	AllowPublishForClient      bool     `json:"allow_publish_for_client"`
	AllowPublishForAnonymous   bool     `json:"allow_publish_for_anonymous"`
	HistorySize                int      `json:"history_size"`
	HistoryTTL                 duration `json:"history_ttl"`
	ForceRecovery              bool     `json:"force_recovery"`
	Presence                   bool     `json:"presence"`
	JoinLeave                  bool     `json:"join_leave"`
	ForcePushJoinLeave         bool     `json:"force_push_join_leave"`
	DeltaPublish               bool     `json:"delta_publish"`
	AllowedDeltaTypes          []string `json:"allowed_delta_types"`
	AllowTagsFilter            bool     `json:"allow_tags_filter"`
}

func (o *channelOptions) subscribeOptions() centrifuge.SubscribeOptions {
	options := centrifuge.SubscribeOptions{
		EnableRecovery:  o.ForceRecovery,
		EmitPresence:    o.Presence,
		EmitJoinLeave:   o.JoinLeave,
		PushJoinLeave:   o.ForcePushJoinLeave,
		AllowTagsFilter: o.AllowTagsFilter,
	}
	for _, delta := range o.AllowedDeltaTypes {
		options.AllowedDeltaTypes = append(options.AllowedDeltaTypes, centrifuge.DeltaType(delta))
	}
	return options
}

func (o *channelOptions) publishOptions() centrifuge.PublishOptions {
	return centrifuge.PublishOptions{HistorySize: o.HistorySize, HistoryTTL: time.Duration(o.HistoryTTL)}
}

type config struct {
	HTTPServer struct {
		Address string `json:"address"`
		Port    string `json:"port"`
	} `json:"http_server"`
	HTTPAPI struct {
		Key string `json:"key"`
	} `json:"http_api"`
	Client struct {
		AllowAnonymousConnectWithoutToken bool `json:"allow_anonymous_connect_without_token"`
		Token                             struct {
			HMACSecretKey string `json:"hmac_secret_key"`
		} `json:"token"`
	} `json:"client"`
	Channel struct {
		WithoutNamespace channelOptions   `json:"without_namespace"`
		Namespaces       []channelOptions `json:"namespaces"`
	} `json:"channel"`
}

func loadConfig(path string) (config, error) {
	var loaded config
	text, err := os.ReadFile(path)
	if err != nil {
		return loaded, err
	}
	return loaded, json.Unmarshal(text, &loaded)
}

// channelTable finds the options of a channel by the part of its name before the first colon.
type channelTable struct {
	plain      channelOptions
	namespaces map[string]*channelOptions
}

func newChannelTable(from config) *channelTable {
	table := &channelTable{plain: from.Channel.WithoutNamespace, namespaces: map[string]*channelOptions{}}
	for at := range from.Channel.Namespaces {
		table.namespaces[from.Channel.Namespaces[at].Name] = &from.Channel.Namespaces[at]
	}
	return table
}

func (t *channelTable) find(channel string) (*channelOptions, error) {
	namespace, _, found := strings.Cut(channel, ":")
	if !found {
		return &t.plain, nil
	}
	if options, known := t.namespaces[namespace]; known {
		return options, nil
	}
	return nil, centrifuge.ErrorUnknownChannel
}

// connecting judges the token of a connection, or lets it in anonymously.
func connecting(from config) centrifuge.ConnectingHandler {
	secret := []byte(from.Client.Token.HMACSecretKey)
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256", "HS384", "HS512"}))
	key := func(*jwt.Token) (any, error) { return secret, nil }
	return func(_ context.Context, event centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
		if event.Token == "" {
			if !from.Client.AllowAnonymousConnectWithoutToken {
				return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
			}
			return centrifuge.ConnectReply{Credentials: &centrifuge.Credentials{}}, nil
		}
		var claims jwt.RegisteredClaims
		if _, err := parser.ParseWithClaims(event.Token, &claims, key); err != nil {
			if errors.Is(err, jwt.ErrTokenExpired) {
				return centrifuge.ConnectReply{}, centrifuge.ErrorTokenExpired
			}
			return centrifuge.ConnectReply{}, centrifuge.DisconnectInvalidToken
		}
		credentials := &centrifuge.Credentials{UserID: claims.Subject}
		if claims.ExpiresAt != nil {
			credentials.ExpireAt = claims.ExpiresAt.Unix()
		}
		return centrifuge.ConnectReply{Credentials: credentials, ClientSideRefresh: true}, nil
	}
}

// connected gives a client its commands: subscribe and publish, as far as the channel's options allow.
func connected(channels *channelTable) centrifuge.ConnectHandler {
	return func(client *centrifuge.Client) {
		anonymous := client.UserID() == ""
		client.OnSubscribe(func(event centrifuge.SubscribeEvent, done centrifuge.SubscribeCallback) {
			options, err := channels.find(event.Channel)
			if err == nil && !(options.AllowSubscribeForClient && (!anonymous || options.AllowSubscribeForAnonymous)) {
				err = centrifuge.ErrorPermissionDenied
			}
			if err != nil {
				done(centrifuge.SubscribeReply{}, err)
				return
			}
			done(centrifuge.SubscribeReply{Options: options.subscribeOptions()}, nil)
		})
		client.OnPublish(func(event centrifuge.PublishEvent, done centrifuge.PublishCallback) {
			options, err := channels.find(event.Channel)
			if err == nil && !(options.AllowPublishForClient && (!anonymous || options.AllowPublishForAnonymous)) {
				err = centrifuge.ErrorPermissionDenied
			}
			if err != nil {
				done(centrifuge.PublishReply{}, err)
				return
			}
			publish := options.publishOptions()
			publish.ClientInfo = event.ClientInfo
			done(centrifuge.PublishReply{Options: publish}, nil)
		})
	}
}

func serve(from config) error {
	node, err := centrifuge.New(centrifuge.Config{LogLevel: centrifuge.LogLevelNone})
	if err != nil {
		return err
	}
	channels := newChannelTable(from)
	node.OnConnecting(connecting(from))
	node.OnConnect(connected(channels))
	if err := node.Run(); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("/connection/websocket", centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		CheckOrigin: func(*http.Request) bool { return true },
	}))
	mux.Handle("POST /api/{method}", newAPI(node, channels, from.HTTPAPI.Key))
	mux.Handle("/metrics", promhttp.Handler())

	server := &http.Server{Addr: net.JoinHostPort(from.HTTPServer.Address, from.HTTPServer.Port), Handler: mux}
	ended := make(chan error, 1)
	go func() { ended <- server.ListenAndServe() }()
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	select {
	case err := <-ended:
		return err
	case <-signals:
		return nil // nothing is kept, so nothing has to be brought to an end
	}
}

func main() {
	path := flag.String("c", "config.json", "the configuration")
	flag.Parse()
	loaded, err := loadConfig(*path)
	if err == nil {
		err = serve(loaded)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "gyre_bench_peer:", err)
		os.Exit(1)
	}
}
