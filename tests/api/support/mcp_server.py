"""A small MCP server on standard input and output. Its tools do what a test wants to see done."""
import json
import os
import socket
import subprocess
import sys
import time

home = os.getcwd()
with open(os.path.join(home, "starts"), "a") as starts:
    starts.write("start %s\n" % " ".join(sys.argv[1:]))
if "dies" in sys.argv:
    print("there is no database %s" % os.environ.get("TOKEN"), file=sys.stderr)
    sys.exit(4)

tools = ["ask", "big", "connect", "crash", "deaf", "env", "fetch", "fill", "flood", "fork", "garbage", "grow", "hang", "heard", "read", "say", "write"]
heard = []


def say(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def next_message():
    line = sys.stdin.readline()
    if not line:
        sys.exit(0)
    return json.loads(line)


def answer(message, result):
    say({"jsonrpc": "2.0", "id": message["id"], "result": result})


def text(message, what):
    answer(message, {"content": [{"type": "text", "text": what if isinstance(what, str) else json.dumps(what)}]})


def attempt(work):
    try:
        return work()
    except OSError as error:
        return "error: %s" % error


def connect(arguments):
    with socket.create_connection((arguments["host"], arguments["port"]), 5):
        return "connected"


def through_proxy(url):
    import urllib.error
    import urllib.request

    try:
        return urllib.request.urlopen(url, timeout=20).read().decode()
    except urllib.error.HTTPError as error:
        return "refused: %s" % error.read().decode()


def ask(message):
    asked = ["ping", "roots/list", "sampling/createMessage", "elicitation/create"]
    say([{"jsonrpc": "2.0", "id": "q-" + method, "method": method} for method in asked])
    replies = {}
    while len(replies) < len(asked):
        reply = next_message()
        replies[reply["id"][2:]] = reply.get("error", {}).get("code", reply.get("result"))
    text(message, replies)


def call(message):
    name, arguments = message["params"]["name"], message["params"]["arguments"]
    if name == "ask":
        ask(message)
    elif name == "big":
        print(arguments.get("stderr", ""), file=sys.stderr, flush=True)
        sys.stdout.write("x" * arguments["bytes"] + "\n")
        sys.stdout.flush()
    elif name == "connect":
        text(message, attempt(lambda: connect(arguments)))
    elif name == "fetch":
        text(message, attempt(lambda: through_proxy(arguments["url"])))
    elif name == "crash":
        print("something broke", file=sys.stderr, flush=True)
        os._exit(3)
    elif name == "deaf":
        time.sleep(1000)
    elif name == "env":
        text(message, dict(os.environ))
    elif name == "fill":
        for number in range(arguments["megabytes"]):
            with open("full-%d" % (number // 10), "ab") as file:
                file.write(b"x" * 1000000)
    elif name == "flood":
        for _ in range(200000):
            sys.stdout.write("no message at all, and there are many of them\n" * 2)
        text(message, "at last")
    elif name == "fork":
        for _ in range(arguments["count"]):
            subprocess.Popen(["sleep", "100"])
    elif name == "garbage":
        sys.stdout.write("starting up...\n\x00\xff\n{\"id\":\n[]\n7\nnull\n")
        say({"jsonrpc": "2.0", "id": 123456, "result": {"content": []}})
        say({"jsonrpc": "2.0", "id": "x", "error": "no object"})
        say([{"jsonrpc": "2.0", "method": "notifications/progress"}, 5])
        text(message, "still here")
    elif name == "grow":
        tools.extend(arguments["names"])
        say({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
        text(message, "grown")
    elif name == "hang":
        open("hangs", "w").close()
    elif name == "heard":
        text(message, heard)
    elif name == "read":
        text(message, attempt(lambda: open(arguments["path"]).read()))
    elif name == "say":
        text(message, arguments["text"])
    elif name == "write":
        with open(arguments["path"], "w") as file:
            file.write(arguments["text"])
        text(message, "written")
    else:
        text(message, "%s got %s" % (name, json.dumps(arguments)))


while True:
    message = next_message()
    method = message.get("method")
    if method == "initialize":
        if "mute" in sys.argv:
            continue
        capabilities = {"tools": {"listChanged": True}}
        answer(message, {"protocolVersion": "2025-06-18", "capabilities": capabilities, "serverInfo": {}})
    elif method == "tools/list":
        listed = [{"name": name, "inputSchema": {"type": "object"}} for name in tools]
        answer(message, {"tools": listed})
    elif method == "tools/call":
        call(message)
    elif "id" in message:
        answer(message, {})
    else:
        heard.append(message)
