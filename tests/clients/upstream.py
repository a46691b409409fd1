"""An OpenAI-compatible model server that counts: POST /v1/chat/completions, GET /v1/models, GET /count?said=TEXT.

The newest user message says what it does:
  @@status CODE [TAG]      that status
  @@drop [TAG]             three tokens, then the connection is cut
  @@effect COMMAND         a call of the tool `terminal`, and once its result is there: 500
  @@stream N MS            N tokens, MS milliseconds apart
  anything else            `You said: …`
"""
import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

counts = {}
lock = threading.Lock()


def text_of(message):
    content = message.get("content") or ""
    return content if isinstance(content, str) else " ".join(part.get("text", "") for part in content)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def whole(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        url = urlsplit(self.path)
        if url.path == "/count":
            said = parse_qs(url.query)["said"][0]
            return self.whole(200, {"count": counts.get(said, 0)})
        self.whole(200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = body["messages"]
        at = max((i for i, m in enumerate(messages) if m["role"] == "user"), default=0)
        said = text_of(messages[at])
        results = [m for m in messages[at:] if m["role"] == "tool"]
        with lock:
            counts[said] = counts.get(said, 0) + 1
        directive, _, rest = said.partition(" ")
        if directive == "@@status" or (directive == "@@effect" and results):
            status = int(rest.split()[0]) if directive == "@@status" else 500
            return self.whole(status, {"error": {"message": f"scripted {status}", "type": "server_error"}})
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.delta({"role": "assistant", "content": ""})
        finish = "stop"
        if directive == "@@effect":
            function = {"name": "terminal", "arguments": json.dumps({"command": rest})}
            self.delta({"tool_calls": [{"index": 0, "id": "call_0", "type": "function", "function": function}]})
            finish = "tool_calls"
        elif directive == "@@drop":
            for n in range(3):
                self.delta({"content": f"tok{n} "})
            self.close_connection = True
            return self.wfile.flush()
        elif directive == "@@stream":
            count, pause = (int(word) for word in rest.split()[:2])
            for n in range(count):
                time.sleep(pause / 1000)
                self.delta({"content": f"tok{n} "})
        else:
            self.delta({"content": f"You said: {said}"})
        usage = {"prompt_tokens": 50, "completion_tokens": 2, "total_tokens": 52}
        self.event({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}], "usage": usage})
        self.chunk(b"data: [DONE]\n\n")
        self.chunk(b"")

    def delta(self, delta):
        self.event({"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})

    def event(self, event):
        event |= {"object": "chat.completion.chunk", "model": "scripted"}
        self.chunk(f"data: {json.dumps(event)}\n\n".encode())

    def chunk(self, data):
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")


ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
