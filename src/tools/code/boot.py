# Runs a script with the agent's tools as functions. Standard input is a socket to the gateway, one JSON a line: the
# script comes first, then each call is answered by its result. Two processes: what stays behind tells the gateway what
# the script wrote to its standard error, however the script ended.
import sys

sys.path = [path for path in sys.path if path]
import builtins, json, linecache, os, threading, traceback, types

KEPT = 10000


def split_socket():
    ours = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return open(ours, "rb"), open(os.dup(ours), "wb")


def say(out, message):
    out.write(json.dumps(message).encode() + b"\n")
    out.flush()


def watch(child, errors, out):
    kept, dropped = bytearray(), [0]

    def drain():
        while True:
            piece = os.read(errors, 65536)
            if not piece:
                return
            kept.extend(piece)
            over = max(0, len(kept) - KEPT)
            dropped[0] += over
            del kept[:over]

    reader = threading.Thread(target=drain, daemon=True)
    reader.start()
    status = os.waitpid(child, 0)[1]
    reader.join(0.2)
    say(out, {"stderr": bytes(kept).decode("utf-8", "replace"), "dropped": dropped[0]})
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def function(name, parameters, text, back, out, turn):
    def call(*given, **named):
        if len(given) > len(parameters):
            raise TypeError(f"{name}() takes at most {len(parameters)} arguments: {', '.join(parameters)}")
        arguments = dict(zip(parameters, given))
        for parameter, value in named.items():
            if parameter in arguments:
                raise TypeError(f"{name}() got `{parameter}` twice")
            arguments[parameter] = value
        with turn:
            say(out, {"tool": name, "arguments": arguments})
            line = back.readline()
        if not line:
            raise RuntimeError("the gateway does not answer any more")
        return json.loads(line)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = text
    return call


def run(order, back, out):
    turn = threading.Lock()
    tools = {one["name"]: function(one["name"], one["parameters"], one["text"], back, out, turn) for one in order["tools"]}
    module = types.ModuleType("hermes_tools")
    module.__dict__.update(tools, __all__=list(tools))
    sys.modules["hermes_tools"] = module
    sys.path.insert(0, os.getcwd())
    sys.argv = ["script"]
    sys.stdout.reconfigure(line_buffering=True)
    code = order["code"]
    linecache.cache["<script>"] = (len(code), None, code.splitlines(True), "<script>")
    try:
        exec(compile(code, "<script>", "exec"), {"__name__": "__main__", "__builtins__": builtins, **tools})
    except SystemExit:
        raise
    except BaseException as problem:
        # Without the frames of this file.
        traceback.print_exception(type(problem), problem, problem.__traceback__.tb_next)
        sys.exit(1)


back, out = split_socket()
order = json.loads(back.readline())
errors, writer = os.pipe()
child = os.fork()
if child:
    os.close(writer)
    watch(child, errors, out)
os.close(errors)
os.dup2(writer, 2)
os.close(writer)
run(order, back, out)
