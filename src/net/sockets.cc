#include "net/sockets.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <deque>
#include <functional>

#include "base/fault_points.h"
#include "base/log.h"

namespace gyre::net {

namespace {
// Listeners' tokens have the generation 0, which no connection has.
constexpr os::Token listener_token(size_t index) {
  return index;
}
constexpr uint32_t slot_of(os::Token token) {
  return static_cast<uint32_t>(token);
}
constexpr uint32_t generation_of(os::Token token) {
  return static_cast<uint32_t>(token >> 32);
}
iovec part_of(std::string_view bytes) {
  return {.iov_base = const_cast<char*>(bytes.data()), .iov_len = bytes.size()};
}
}  // namespace

// What waits for a connection that holds more than one frame, or whose last send was cut short. On
// the heap only while that is so. Nothing is copied but a header: of those who do not read there
// may be very many, and all of them wait for the same frames.
class Sockets::Queue final : public runtime::Timer {
 public:
  Queue(Sockets& sockets, uint32_t slot) : sockets_(sockets), slot_(slot) {}

  std::deque<FrameRef> frames;
  // Of the first frame, which are with the peer already.
  size_t offset = 0;
  // So many frames at the front belong to a message of which the peer has a part, so the rest of it
  // must come next: what is left of its header, then they.
  uint32_t begun = 0;
  uint8_t header_size = 0;
  std::array<char, kHeaderMax> header;

 private:
  void on_timer() override { sockets_.end(slot_, EndReason::stalled); }
  Sockets& sockets_;
  uint32_t slot_;
};

Sockets::Sockets(runtime::Shard& shard, SocketLimits limits) : shard_(shard), limits_(limits) {}

Sockets::~Sockets() {
  runtime::TurnScope scope(shard_);
  outlets_.for_each([this](uint32_t, Outlet& outlet) {
    drop_pending(outlet);
    shard_.kernel().close(outlet.socket);
  });
}

Result<uint16_t> Sockets::listen(const os::ListenOptions& options, Acceptor& acceptor) {
  GYRE_TRY(const os::Descriptor socket,
           shard_.kernel().listen(options, listener_token(listeners_.size())));
  listeners_.push_back({socket, &acceptor});
  return shard_.kernel().local_port(socket);
}

void Sockets::stop_listening() {
  for (Listener& listener : listeners_) {
    if (listener.socket != os::kNoDescriptor) shard_.kernel().close(listener.socket);
    listener.socket = os::kNoDescriptor;
  }
}

os::Token Sockets::token(uint32_t slot) const {
  return (os::Token{outlets_[slot].generation} << 32) | slot;
}

Sockets::Outlet* Sockets::resolve(os::Token token) {
  const uint32_t slot = slot_of(token);
  if (!outlets_.contains(slot) || outlets_[slot].generation != generation_of(token)) return nullptr;
  return &outlets_[slot];
}

Sockets::Outlet* Sockets::resolve(SocketHandle socket) {
  return resolve((os::Token{socket.generation} << 32) | socket.slot);
}

bool Sockets::is_open(SocketHandle socket) const {
  return const_cast<Sockets*>(this)->resolve(socket) != nullptr;
}

os::Descriptor Sockets::descriptor(os::Token socket) const {
  const Outlet* outlet = const_cast<Sockets*>(this)->resolve(socket);
  return outlet ? outlet->socket : os::kNoDescriptor;
}

void Sockets::on_connection(os::Token listener, os::Descriptor socket) {
  const uint32_t slot = outlets_.emplace();
  Outlet& outlet = outlets_[slot];
  outlet.socket = socket;
  outlet.generation = next_generation_++;
  if (next_generation_ == 0) next_generation_ = 1;
  const SocketHandle handle{slot, outlet.generation};
  outlet.handler = listeners_[listener].acceptor->accept(handle);
  if (outlet.handler) {
    const Result<void> attached = shard_.kernel().attach(socket, token(slot));
    if (attached) return;
    log::warn("connection refused", {{"error", attached.error().context}});
  }
  if (outlet.handler) shard_.bury(std::move(outlet.handler));
  outlets_.erase(slot);
  shard_.kernel().close(socket);
}

void Sockets::on_bytes(os::Token socket, std::span<char> bytes) {
  // A connection that is on its way out is not listened to any more, except by its handler (a
  // closing handshake).
  if (Outlet* outlet = resolve(socket); outlet && !(outlet->flags & kEnded)) {
    outlet->handler->on_bytes(bytes);
  }
}

void Sockets::on_end(os::Token socket, bool broken) {
  if (resolve(socket)) end(slot_of(socket), broken ? EndReason::broken : EndReason::peer_finished);
}

void Sockets::end(uint32_t slot, EndReason reason) {
  Outlet& outlet = outlets_[slot];
  if (outlet.flags & kEnded) {
    // The handler is waiting for its last output to leave; it will not.
    if (reason != EndReason::slow) close({slot, outlet.generation});
    return;
  }
  if (reason != EndReason::peer_finished) outlet.flags |= kEnded;
  if (reason == EndReason::broken || reason == EndReason::stalled) drop_pending(outlet);
  outlet.handler->on_end(reason);
}

void Sockets::on_room(os::Token socket) {
  Outlet* outlet = resolve(socket);
  if (!outlet) return;
  outlet->flags &= static_cast<uint8_t>(~kBlocked);
  mark(slot_of(socket), *outlet, prompt_);
}

void Sockets::set_handler(SocketHandle socket, std::unique_ptr<Handler> handler) {
  Outlet* outlet = resolve(socket);
  if (!outlet) {
    shard_.bury(std::move(handler));
    return;
  }
  shard_.bury(std::exchange(outlet->handler, std::move(handler)));
}

void Sockets::set_framing(SocketHandle socket, Framing framing) {
  if (Outlet* outlet = resolve(socket)) outlet->framing = framing;
}

void Sockets::pause_reading(SocketHandle socket) {
  if (Outlet* outlet = resolve(socket)) shard_.kernel().pause(outlet->socket, token(socket.slot));
}

void Sockets::resume_reading(SocketHandle socket) {
  if (Outlet* outlet = resolve(socket)) shard_.kernel().resume(outlet->socket, token(socket.slot));
}

void Sockets::notify_when_flushed(SocketHandle socket) {
  if (is_open(socket)) notify_when_flushed(socket.slot);
}

void Sockets::notify_when_flushed(uint32_t slot) {
  Outlet& outlet = outlets_[slot];
  outlet.flags |= kNotify;
  mark(slot, outlet, prompt_);
}

void Sockets::hold(SocketHandle socket) {
  if (Outlet* outlet = resolve(socket)) outlet->flags |= kHeld;
}

void Sockets::release(SocketHandle socket, FrameRef first) {
  Outlet* outlet = resolve(socket);
  if (!outlet) return;
  outlet->flags &= static_cast<uint8_t>(~kHeld);
  if (first && outlet->pending != 0) {
    outlet->queued_bytes += first->size();
    Queue& queue = make_queue(*outlet, socket.slot);
    queue.frames.insert(queue.frames.begin() + queue.begun, std::move(first));
  } else if (first) {
    enqueue(socket.slot, *outlet, std::move(first));
  }
  mark(socket.slot, *outlet, prompt_);
}

void Sockets::abandon_output(SocketHandle socket) {
  if (Outlet* outlet = resolve(socket)) {
    // A message that was cut in the middle must be finished, or the peer could not read what
    // follows.
    // The queue itself stays with its deadline, which is that of the last words as well.
    Queue* queue = queue_of(*outlet);
    if (!queue) return drop_pending(*outlet);
    while (queue->frames.size() > queue->begun) {
      outlet->queued_bytes -= queue->frames.back()->size();
      queue->frames.pop_back();
    }
    queue->frames.shrink_to_fit();
  }
}

void Sockets::close_when_flushed(SocketHandle socket) {
  if (Outlet* outlet = resolve(socket)) {
    outlet->flags |= kClosing;
    outlet->flags &= static_cast<uint8_t>(~kHeld);  // nobody is going to release it
    mark(socket.slot, *outlet, prompt_);
  }
}

void Sockets::close(SocketHandle socket) {
  Outlet* outlet = resolve(socket);
  if (!outlet) return;
  drop_pending(*outlet);
  if (outlet->flags & kBlocked) {
    shard_.kernel().reset(outlet->socket);
  } else {
    shard_.kernel().close(outlet->socket);
  }
  shard_.bury(std::move(outlet->handler));
  // The slot may still stand in a dirty list; flush looks at the flag of whoever lives there then.
  outlets_.erase(socket.slot);
}

std::string Sockets::peer_address(SocketHandle socket) const {
  const Outlet* outlet = const_cast<Sockets*>(this)->resolve(socket);
  return outlet ? shard_.kernel().peer_address(outlet->socket) : std::string();
}

bool Sockets::is_overflowed(SocketHandle socket) const {
  const Outlet* outlet = const_cast<Sockets*>(this)->resolve(socket);
  return outlet && outlet->flags & kOverflowed;
}

size_t Sockets::queued_bytes(SocketHandle socket) const {
  const Outlet* outlet = const_cast<Sockets*>(this)->resolve(socket);
  return outlet ? outlet->queued_bytes : 0;
}

void Sockets::send(uint32_t slot, FrameRef frame) {
  Outlet& outlet = outlets_[slot];
  enqueue(slot, outlet, std::move(frame));
  mark(slot, outlet, prompt_);
}

void Sockets::send_bulk(uint32_t slot, FrameRef frame) {
  Outlet& outlet = outlets_[slot];
  enqueue(slot, outlet, std::move(frame));
  mark(slot, outlet, bulk_);
}

void Sockets::mark(uint32_t slot, Outlet& outlet, std::vector<uint32_t>& list) {
  if (outlet.flags & (kDirty | kBlocked | kHeld)) return;
  outlet.flags |= kDirty;
  list.push_back(slot);
}

Sockets::Queue* Sockets::queue_of(const Outlet& outlet) {
  return outlet.pending & 1 ? reinterpret_cast<Queue*>(outlet.pending & ~uintptr_t{1}) : nullptr;
}

Sockets::Queue& Sockets::make_queue(Outlet& outlet, uint32_t slot) {
  if (Queue* queue = queue_of(outlet)) return *queue;
  auto* queue = new Queue(*this, slot);
  if (outlet.pending)
    queue->frames.push_back(FrameRef::adopt(reinterpret_cast<Frame*>(outlet.pending)));
  outlet.pending = reinterpret_cast<uintptr_t>(queue) | 1;
  return *queue;
}

void Sockets::drop_pending(Outlet& outlet) {
  if (Queue* queue = queue_of(outlet)) {
    delete queue;
  } else if (outlet.pending) {
    FrameRef::adopt(reinterpret_cast<Frame*>(outlet.pending)).reset();
  }
  outlet.pending = 0;
  outlet.queued_bytes = 0;
}

void Sockets::enqueue(uint32_t slot, Outlet& outlet, FrameRef frame) {
  if (outlet.flags & kEnded && !(outlet.flags & kOverflowed)) return;
  const uint32_t size = frame->size();
  outlet.queued_bytes += size;
  const bool is_bounded = outlet.framing != Framing::raw && !frame->is_raw();
  if (outlet.pending == 0) {
    outlet.pending = reinterpret_cast<uintptr_t>(frame.leak());
  } else {
    make_queue(outlet, slot).frames.push_back(std::move(frame));
  }
  if (outlet.queued_bytes <= limits_.queue_bytes_max || !is_bounded ||
      (outlet.flags & kOverflowed)) {
    return;
  }
  // A turn can produce more than may wait. That is the peer's fault only if its socket takes no
  // more; a single message over the bound always is one too many.
  if (size <= limits_.queue_bytes_max && !(outlet.flags & (kBlocked | kHeld))) {
    if (!flush_early(slot, outlet)) return;
    if (outlet.queued_bytes <= limits_.queue_bytes_max) return;
  }
  if (GYRE_PLANTED(slow_is_not_cut)) return;
  outlet.flags |= kOverflowed;
  ended_.emplace_back(SocketHandle{slot, outlet.generation}, EndReason::slow);
}

// In the middle of a turn. False when the connection broke, which is told when the turn settles.
bool Sockets::flush_early(uint32_t slot, Outlet& outlet) {
  if (flush_outlet(slot, outlet)) return true;
  outlet.flags |= kBlocked;  // once is enough
  ended_.emplace_back(SocketHandle{slot, outlet.generation}, EndReason::broken);
  return false;
}

bool Sockets::is_behind(uint32_t slot, size_t bytes) {
  Outlet& outlet = outlets_[slot];
  if (outlet.queued_bytes <= bytes) [[likely]]
    return false;
  if (outlet.flags & (kBlocked | kHeld | kOverflowed | kEnded)) return true;
  // It may be this turn alone that has produced so much.
  return !flush_early(slot, outlet) || outlet.queued_bytes > bytes;
}

void Sockets::flush() {
  // Handlers called meanwhile may mark more: the list grows while it is walked.
  for (size_t i = 0; i < prompt_.size();) {
    while (i < prompt_.size()) flush_marked(prompt_[i++]);
    send_batch();
  }
  prompt_.clear();
  const size_t slice = GYRE_FAULT(bulk_cut) ? 1 : kBulkSendsPerTurn;
  const size_t end = std::min(bulk_.size(), bulk_done_ + slice);
  for (; bulk_done_ < end; ++bulk_done_) {
    const uint32_t slot = bulk_[bulk_done_];
    if (bulk_done_ + 4 < end) prefetch_if_open(bulk_[bulk_done_ + 4]);
    flush_marked(slot);
  }
  send_batch();
  if (bulk_done_ < bulk_.size()) {
    // Where the next publication comes before all have this one, the list never comes to its end.
    if (bulk_done_ > bulk_.size() / 2) {
      bulk_.erase(bulk_.begin(), bulk_.begin() + static_cast<ptrdiff_t>(bulk_done_));
      bulk_done_ = 0;
    }
    return;
  }
  bulk_.clear();
  bulk_done_ = 0;
}

// A lone frame joins the batch; whatever else waits is sent at once.
void Sockets::flush_marked(uint32_t slot) {
  const auto is_marked = [this, slot] {
    return outlets_.contains(slot) && outlets_[slot].flags & kDirty;
  };
  if (!is_marked()) return;
  Outlet& outlet = outlets_[slot];
  if (outlet.pending == 0 || outlet.pending & 1 || outlet.flags & (kHeld | kOverflowed)) {
    send_batch();  // nothing of it may be on its way when a handler is told something
    if (is_marked()) after_flush(slot, outlets_[slot]);
    return;
  }
  outlet.flags &= static_cast<uint8_t>(~kDirty);
  batch_[batched_++] = {
      .socket = outlet.socket,
      .token = token(slot),
      .bytes = framed_alone(*reinterpret_cast<Frame*>(outlet.pending), outlet.framing)};
  if (batched_ == batch_.size()) send_batch();
}

void Sockets::send_batch() {
  const std::span<os::Sending> sendings(batch_.data(), std::exchange(batched_, 0));
  if (sendings.empty()) return;
  shard_.kernel().send_each(sendings);
  // First the books of all, then what handlers are told: they may close any of these connections.
  for (const os::Sending& sending : sendings) {
    const uint32_t slot = slot_of(sending.token);
    if (sending.sent < 0) {
      ended_.emplace_back(SocketHandle{slot, generation_of(sending.token)}, EndReason::broken);
    } else {
      note_lone_sent(slot, outlets_[slot], sending.bytes, static_cast<size_t>(sending.sent));
    }
  }
  for (const os::Sending& sending : sendings) {
    if (sending.sent < 0) continue;
    if (Outlet* outlet = resolve(sending.token)) after_sent(slot_of(sending.token), *outlet);
  }
}

void Sockets::after_flush(uint32_t slot, Outlet& outlet) {
  outlet.flags &= static_cast<uint8_t>(~kDirty);
  if (outlet.flags & kHeld) return;
  // Too much waits: the handler decides at the end of the turn what the last words are.
  if ((outlet.flags & kOverflowed) && !(outlet.flags & kEnded)) return;
  if (!flush_outlet(slot, outlet)) {
    ended_.emplace_back(SocketHandle{slot, outlet.generation}, EndReason::broken);
    return;
  }
  after_sent(slot, outlet);
}

void Sockets::after_sent(uint32_t slot, Outlet& outlet) {
  if (outlet.flags & kBlocked) return;
  if (outlet.flags & kClosing) {
    close({slot, outlet.generation});
  } else if (outlet.flags & kNotify) {
    outlet.flags &= static_cast<uint8_t>(~kNotify);
    outlet.handler->on_flushed();
  }
}

size_t Sockets::cut_slowest(size_t most) {
  std::vector<std::pair<uint32_t, uint32_t>> slow;  // bytes, slot
  outlets_.for_each([&slow](uint32_t slot, const Outlet& outlet) {
    const bool is_stuck = outlet.flags & (kBlocked | kHeld);
    const bool is_leaving = outlet.flags & (kOverflowed | kEnded | kClosing);
    if (outlet.queued_bytes > 0 && is_stuck && !is_leaving) {
      slow.emplace_back(outlet.queued_bytes, slot);
    }
  });
  if (slow.size() > most) {
    std::ranges::nth_element(slow, slow.begin() + static_cast<ptrdiff_t>(most), std::greater());
    slow.resize(most);
  }
  for (const auto& [bytes, slot] : slow) {
    Outlet& outlet = outlets_[slot];
    outlet.flags |= kOverflowed;
    ended_.emplace_back(SocketHandle{slot, outlet.generation}, EndReason::slow);
  }
  return slow.size();
}

void Sockets::settle() {
  // Each has few ends: by the last words others may come to theirs.
  while (!ended_.empty()) {
    for (size_t i = 0; i < ended_.size(); ++i) {
      const auto [socket, reason] = ended_[i];
      if (resolve(socket)) end(socket.slot, reason);
    }
    ended_.clear();
    flush();  // last words
  }
}

bool Sockets::flush_outlet(uint32_t slot, Outlet& outlet) {
  if (outlet.pending == 0) return true;
  if (outlet.pending & 1) return flush_queue(slot, outlet);
  // The common case: one frame, one send, nothing else touched.
  auto* frame = reinterpret_cast<Frame*>(outlet.pending);
  const std::string_view bytes = framed_alone(*frame, outlet.framing);
  const iovec part = part_of(bytes);
  const ptrdiff_t sent = shard_.kernel().send(outlet.socket, token(slot), {&part, 1});
  if (sent < 0) return false;
  note_lone_sent(slot, outlet, bytes, static_cast<size_t>(sent));
  return true;
}

// Of the outlet's only frame, framed as `bytes`, the system has taken so many.
void Sockets::note_lone_sent(uint32_t slot, Outlet& outlet, std::string_view bytes, size_t sent) {
  auto* frame = reinterpret_cast<Frame*>(outlet.pending);
  if (sent == bytes.size()) {
    outlet.pending = 0;
    if (!GYRE_PLANTED(byte_account_drifts)) outlet.queued_bytes = 0;
    FrameRef::adopt(frame).reset();
    return;
  }
  Queue& queue = make_queue(outlet, slot);
  if (sent > 0) {
    const size_t header = bytes.size() - frame->size();
    note_begun(outlet, queue, {.frames = 1, .header = bytes.substr(0, header)}, sent);
  }
  outlet.flags |= kBlocked;
  shard_.timers().arm(queue, write_deadline(outlet));
}

// One system call's worth of a queue: up to a few dozen frames, batched into WebSocket messages.
struct Sockets::Gather {
  static constexpr size_t kFrames = 64;
  std::array<iovec, kFrames * 2 + 1> parts;
  std::array<std::array<char, kHeaderMax>, kFrames> headers;
  std::array<Message, kFrames> messages;
  size_t part_count = 0;
  size_t message_count = 0;
  size_t frame_count = 0;
  size_t bytes = 0;

  // The rest of the message that the peer has a part of.
  void add_begun(const Queue& queue, Framing framing) {
    begin({queue.header.data(), queue.header_size});
    for (uint32_t i = 0; i < queue.begun; ++i) {
      const bool is_last = framing != Framing::websocket_text || i + 1 == queue.begun;
      add_frame(*queue.frames[i], i == 0 ? queue.offset : 0, is_last);
    }
  }
  // The frames from `batch` on that share one WebSocket message.
  void add_batch(std::span<FrameRef*> batch, Framing framing) {
    if (batch.size() == 1) return add_alone(**batch[0], framing);
    size_t payload = framing == Framing::websocket_text ? batch.size() - 1 : 0;
    for (FrameRef* frame : batch) payload += (*frame)->size();
    char* header = headers[message_count].data();
    begin({header, write_websocket_header(header, data_opcode(framing), payload)});
    for (size_t i = 0; i < batch.size(); ++i) {
      // The newline that stands behind each message in memory joins it to the next.
      add_frame(**batch[i], 0, framing != Framing::websocket_text || i + 1 == batch.size());
    }
  }
  void add_alone(Frame& frame, Framing framing) {
    const std::string_view all = framed_alone(frame, framing);
    messages[message_count++] = {.frames = 1, .header = all.substr(0, all.size() - frame.size())};
    add(all);
    ++frame_count;
  }

 private:
  void begin(std::string_view header) {
    messages[message_count++] = {.frames = 0, .header = header};
    if (!header.empty()) add(header);
  }
  void add_frame(const Frame& frame, size_t offset, bool is_last) {
    add(std::string_view(frame.data(), frame.size() + (is_last ? 0u : 1u)).substr(offset));
    ++messages[message_count - 1].frames;
    ++frame_count;
  }
  void add(std::string_view piece) {
    parts[part_count++] = part_of(piece);
    bytes += piece.size();
  }
};

void Sockets::gather(Gather& out, Queue& queue, Framing framing) {
  if (queue.begun > 0) out.add_begun(queue, framing);
  std::array<FrameRef*, kMessagesPerBatch> batch;
  size_t count = 0;
  size_t batch_bytes = 0;
  const auto finish_batch = [&] {
    if (count > 0) out.add_batch({batch.data(), count}, framing);
    count = batch_bytes = 0;
  };
  for (size_t i = queue.begun; i < queue.frames.size(); ++i) {
    if (out.frame_count + count >= Gather::kFrames || out.bytes + batch_bytes >= kBytesPerSend) {
      break;
    }
    FrameRef& frame = queue.frames[i];
    if (framing == Framing::raw || frame->is_raw()) {
      finish_batch();
      out.add_alone(*frame, framing);
      continue;
    }
    batch[count++] = &frame;
    batch_bytes += frame->size();
    if (count == batch.size()) finish_batch();
  }
  finish_batch();
}

bool Sockets::flush_queue(uint32_t slot, Outlet& outlet) {
  Queue& queue = *queue_of(outlet);
  while (!queue.frames.empty()) {
    Gather out;
    gather(out, queue, outlet.framing);
    const ptrdiff_t sent =
        shard_.kernel().send(outlet.socket, token(slot), {out.parts.data(), out.part_count});
    if (sent < 0) return false;
    const bool is_cut = static_cast<size_t>(sent) < out.bytes;
    size_t left = static_cast<size_t>(sent);
    for (size_t i = 0; i < out.message_count && (left > 0 || !is_cut); ++i) {
      left = note_begun(outlet, queue, out.messages[i], left);
    }
    if (is_cut) {
      outlet.flags |= kBlocked;
      // The deadline counts from the last progress.
      if (sent > 0 || !queue.is_armed()) {
        shard_.timers().arm(queue, write_deadline(outlet));
      }
      return true;
    }
  }
  drop_pending(outlet);
  return true;
}

// What of `sent` lies behind the message. What the peer has nothing of stays as it is, to be
// dropped if need be.
size_t Sockets::note_begun(Outlet& outlet, Queue& queue, const Message& message, size_t sent) {
  const size_t of_header = std::min(sent, message.header.size());
  const std::string_view header_left = message.header.substr(of_header);
  std::memmove(queue.header.data(), header_left.data(), header_left.size());
  queue.header_size = static_cast<uint8_t>(header_left.size());
  sent -= of_header;
  for (queue.begun = message.frames; queue.begun > 0; --queue.begun) {
    const bool is_joined = outlet.framing == Framing::websocket_text && queue.begun > 1;
    const size_t size = queue.frames.front()->size();
    const size_t left = size + (is_joined ? 1 : 0) - queue.offset;
    const size_t now = std::min(sent, left);
    outlet.queued_bytes -=
        static_cast<uint32_t>(std::min(queue.offset + now, size) - std::min(queue.offset, size));
    sent -= now;
    if (now < left) {
      if (GYRE_PLANTED(rest_is_overwritten)) queue.offset = 0;
      queue.offset += now;
      return 0;
    }
    queue.offset = 0;
    queue.frames.pop_front();
  }
  return sent;
}

}  // namespace gyre::net
