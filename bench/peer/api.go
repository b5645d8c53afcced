package main

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/centrifugal/centrifuge"
)

// api is the server API as far as the benchmarks use it: publish, broadcast, batch, history. A broadcast goes through
// its channels in turn, since the memory engine has nothing to wait for.
type api struct {
	node     *centrifuge.Node
	channels *channelTable
	key      []byte
}

type publishRequest struct {
	Channel string            `json:"channel"`
	Data    json.RawMessage   `json:"data"`
	Tags    map[string]string `json:"tags"`
}

type publishResult struct {
	Offset uint64 `json:"offset,omitempty"`
	Epoch  string `json:"epoch,omitempty"`
}

type broadcastRequest struct {
	Channels []string        `json:"channels"`
	Data     json.RawMessage `json:"data"`
}

type failure struct {
	Code    uint32 `json:"code"`
	Message string `json:"message"`
}

type publishResponse struct {
	Error  *failure       `json:"error,omitempty"`
	Result *publishResult `json:"result,omitempty"`
}

type broadcastResult struct {
	Responses []publishResponse `json:"responses,omitempty"`
}

type position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

type historyRequest struct {
	Channel string    `json:"channel"`
	Limit   int       `json:"limit"`
	Since   *position `json:"since"`
	Reverse bool      `json:"reverse"`
}

type publication struct {
	Offset uint64          `json:"offset,omitempty"`
	Data   json.RawMessage `json:"data"`
}

type historyResult struct {
	Publications []publication `json:"publications"`
	Offset       uint64        `json:"offset"`
	Epoch        string        `json:"epoch"`
}

// command is one of a batch: exactly one of its methods is set.
type command struct {
	Publish   *publishRequest   `json:"publish"`
	Broadcast *broadcastRequest `json:"broadcast"`
	History   *historyRequest   `json:"history"`
}

type reply struct {
	Error     *failure         `json:"error,omitempty"`
	Publish   *publishResult   `json:"publish,omitempty"`
	Broadcast *broadcastResult `json:"broadcast,omitempty"`
	History   *historyResult   `json:"history,omitempty"`
}

type response struct {
	Error  *failure `json:"error,omitempty"`
	Result any      `json:"result,omitempty"`
}

func newAPI(node *centrifuge.Node, channels *channelTable, key string) http.Handler {
	return &api{node: node, channels: channels, key: []byte(key)}
}

func (a *api) ServeHTTP(out http.ResponseWriter, request *http.Request) {
	if subtle.ConstantTimeCompare([]byte(request.Header.Get("X-API-Key")), a.key) != 1 {
		out.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(request.Body)
	if err != nil {
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	answer, known, err := a.call(request.PathValue("method"), body)
	if !known {
		out.WriteHeader(http.StatusNotFound)
		return
	}
	if err != nil {
		out.WriteHeader(http.StatusBadRequest)
		return
	}
	text, err := json.Marshal(answer)
	if err != nil {
		out.WriteHeader(http.StatusInternalServerError)
		return
	}
	out.Header().Set("Content-Type", "application/json")
	_, _ = out.Write(text)
}

// call returns what to answer, whether there is such a method, and why the request cannot be read.
func (a *api) call(method string, body []byte) (any, bool, error) {
	switch method {
	case "publish":
		return single(body, a.publish)
	case "broadcast":
		return single(body, a.broadcast)
	case "history":
		return single(body, a.history)
	case "batch":
		var batch struct {
			Commands []command `json:"commands"`
		}
		if err := json.Unmarshal(body, &batch); err != nil {
			return nil, true, err
		}
		replies := make([]reply, len(batch.Commands))
		for at := range batch.Commands {
			replies[at] = a.run(&batch.Commands[at])
		}
		return struct {
			Replies []reply `json:"replies,omitempty"`
		}{replies}, true, nil
	}
	return nil, false, nil
}

func single[Request, Result any](body []byte, do func(*Request) (*Result, *failure)) (any, bool, error) {
	var request Request
	if err := json.Unmarshal(body, &request); err != nil {
		return nil, true, err
	}
	result, failed := do(&request)
	if failed != nil {
		return response{Error: failed}, true, nil
	}
	return response{Result: result}, true, nil
}

func (a *api) run(one *command) (out reply) {
	switch {
	case one.Publish != nil:
		out.Publish, out.Error = a.publish(one.Publish)
	case one.Broadcast != nil:
		out.Broadcast, out.Error = a.broadcast(one.Broadcast)
	case one.History != nil:
		out.History, out.Error = a.history(one.History)
	default:
		out.Error = failureOf(centrifuge.ErrorMethodNotFound)
	}
	return out
}

func failureOf(err error) *failure {
	known := centrifuge.ErrorInternal
	_ = errors.As(err, &known)
	return &failure{known.Code, known.Message}
}

func (a *api) publish(request *publishRequest) (*publishResult, *failure) {
	if request.Channel == "" || len(request.Data) == 0 {
		return nil, failureOf(centrifuge.ErrorBadRequest)
	}
	options, err := a.channels.find(request.Channel)
	if err != nil {
		return nil, failureOf(err)
	}
	var more []centrifuge.PublishOption
	if options.HistorySize > 0 {
		publish := options.publishOptions()
		more = append(more, centrifuge.WithHistory(publish.HistorySize, publish.HistoryTTL))
	}
	if options.DeltaPublish {
		more = append(more, centrifuge.WithDelta(true))
	}
	if len(request.Tags) > 0 {
		more = append(more, centrifuge.WithTags(request.Tags))
	}
	done, err := a.node.Publish(request.Channel, request.Data, more...)
	if err != nil {
		return nil, failureOf(err)
	}
	return &publishResult{Offset: done.Offset, Epoch: done.Epoch}, nil
}

func (a *api) broadcast(request *broadcastRequest) (*broadcastResult, *failure) {
	if len(request.Channels) == 0 {
		return nil, failureOf(centrifuge.ErrorBadRequest)
	}
	responses := make([]publishResponse, len(request.Channels))
	for at, channel := range request.Channels {
		responses[at].Result, responses[at].Error = a.publish(&publishRequest{Channel: channel, Data: request.Data})
	}
	return &broadcastResult{responses}, nil
}

func (a *api) history(request *historyRequest) (*historyResult, *failure) {
	filter := centrifuge.HistoryFilter{Limit: request.Limit, Reverse: request.Reverse}
	if request.Since != nil {
		filter.Since = &centrifuge.StreamPosition{Offset: request.Since.Offset, Epoch: request.Since.Epoch}
	}
	found, err := a.node.History(request.Channel, centrifuge.WithHistoryFilter(filter))
	if err != nil {
		return nil, failureOf(err)
	}
	publications := make([]publication, len(found.Publications))
	for at, one := range found.Publications {
		publications[at] = publication{one.Offset, one.Data}
	}
	return &historyResult{publications, found.Offset, found.Epoch}, nil
}
