"""Programs under audit that do what no program should; each is a few lines of Python.

They start without site-packages, so that a run takes milliseconds. Every program begins with
``case``, the case that it was given, and ``answer``, a complete and well-formed answer (the
weights as they were given); what it does with them is its own affair.
"""

from __future__ import annotations

import sys

SECONDS = 0.25
"""The time limit of the programs that never end."""

BEGINNING = """
import json, os, signal, sys, time
case = json.loads(sys.stdin.read())
network = case["network"]
answer = {"schema": "cellgrad-trace/1", "weights": network["weights"],
          "biases": network["biases"]}
def say(what):
    print(json.dumps(what), flush=True)
"""


def program(body, *arguments, beginning=BEGINNING):
    """Return the words of a command that runs a few lines of Python."""
    return [sys.executable, "-S", "-E", "-I", "-c", beginning + body, *arguments]


# what it does -> the program, and what the line about it says
FAILURES = {
    "says nothing": ("pass", "no output"),
    "says blanks": ("print('\\n \\n')", "no output"),
    "is cut off": ("print(json.dumps(answer)[:40])", "not JSON (Expecting"),
    "talks first": ("print('training...'); say(answer)", "the output begins 'training... {"),
    "talks afterwards": ("say(answer); print('done')", "line 2, column 1: not JSON (Extra data)"),
    "two answers": ("say(answer); say(answer)", "line 2, column 1: not JSON (Extra data)"),
    "a list": ("say([answer])", "the answer is a list, not a trace"),
    "a number": ("say(1)", "the answer is a number, not a trace"),
    "null": ("say(None)", "the answer is null, not a trace"),
    "no schema": ("del answer['schema']; say(answer)", "schema: is missing"),
    "another schema": ("answer['schema'] = 'x/2'; say(answer)", "schema: is 'x/2'"),
    "another case": ("answer['case'] = 'x'; say(answer)", "case: is 'x', asked was probe-"),
    "NaN": (
        "answer['weights'][0][1][2] = float('nan'); say(answer)",
        "weights[0][1][2]: answers NaN",
    ),
    "infinity": ("answer['biases'][1][0] = float('inf'); say(answer)", "biases[1][0]: is infinite"),
    "1e999": (
        "answer['weights'][0][0][0] = 'x'; print(json.dumps(answer).replace('\"x\"', '1e999'))",
        "weights[0][0][0]: is infinite, or beyond",
    ),
    "a huge whole number": (
        "answer['weights'][0][0][0] = 10 ** 400; say(answer)",
        "weights[0][0][0]: is infinite, or beyond",
    ),
    "a number of 5,000 digits": (
        "answer['weights'][0][0][0] = 'x'; print(json.dumps(answer).replace('\"x\"', '1' * 5000))",
        "thousands of digits",
    ),
    "a truth value": ("answer['weights'][0][0][0] = True; say(answer)", "True is no number"),
    "a word": ("answer['weights'][0][0][0] = 'abc'; say(answer)", "'abc' is no number"),
    "null for a weight": (
        "answer['weights'][1][0][0] = None; say(answer)",
        "weights[1][0][0]: is null",
    ),
    "the wrong shape": (
        "answer['weights'][0] = [list(w) for w in zip(*answer['weights'][0])]; say(answer)",
        "weights[0]: has shape (4, 3), expected (3, 4)",
    ),
    "ragged rows": ("answer['weights'][0][1].pop(); say(answer)", "weights[0][1]: has 3 entries"),
    "flat weights": (
        "answer['weights'][0] = sum(answer['weights'][0], []); say(answer)",
        "weights[0]: has shape (12,), expected (3, 4)",
    ),
    "a layer too many": (
        "answer['weights'].append([[1.0]]); say(answer)",
        "weights: has 3 entries, expected a list of 2",
    ),
    "no weights": ("del answer['weights']; say(answer)", "weights: is missing"),
    "no biases": ("answer['biases'] = None; say(answer)", "biases: is missing"),
    "an extra key": ("answer['loss'] = 1; say(answer)", "the key 'loss' is not known"),
    "an extra key in a step": (
        "answer['steps'] = [{'error': 1, 'loss': 1}]; say(answer)",
        "steps[0]: the key 'loss' is not known",
    ),
    "a key twice": ('print(json.dumps(answer)[:-1] + \', "case": 1, "case": 1}\')', "twice"),
    "steps without end": (
        "answer['steps'] = [{'error': 0}] * 1000; say(answer)",
        "steps: has 1000 entries, the case makes",
    ),
    "deep lists": ("print('[' * 200000)", "nested too deeply"),
    "Latin-1": ("sys.stdout.buffer.write('é'.encode('latin-1'))", "not a UTF-8 text"),
    "a terminal's codes": (
        "print('\\x1b[31mred\\x07')",
        "the output begins '\\x1b[31mred\\x07'",
    ),
    "a good answer, a bad status": ("say(answer); sys.exit(3)", "exit status 3"),
    "an exception": (
        "say(answer); raise ValueError('no\\nluck')",
        "exit status 1; standard error: luck",
    ),
    "a crash": ("say(answer); os.kill(os.getpid(), 11)", "killed by signal 11 (SIGSEGV)"),
    "unsupported and an answer": (
        "answer['unsupported'] = 'x'; say(answer)",
        "weights: stands beside unsupported",
    ),
    "unsupported without a word": ("say({'unsupported': ''})", "unsupported: is no text"),
    "too much": (
        "line = b' ' * (1 << 20)\nwhile True: sys.stdout.buffer.write(line)",
        "more than 8 MiB of output",
    ),
}

# fine, in its way
FINE = {
    "as it should be": "say(answer)",
    "a byte order mark": "sys.stdout.buffer.write(json.dumps(answer).encode('utf-8-sig'))",
    "Windows lines": "sys.stdout.buffer.write(json.dumps(answer, indent=1).encode()"
    ".replace(b'\\n', b'\\r\\n'))",
    "much on standard error": "sys.stderr.write('x' * 3000000 + '\\n'); say(answer)",
    "slowly": "for c in json.dumps(answer)[:200]: sys.stdout.write(c); sys.stdout.flush()\n"
    "sys.stdout.write(json.dumps(answer)[200:])",
}

# never ends by itself: with nothing said, or after a good answer
ENDLESS = {
    "sleeps": ("time.sleep(60)", False),
    "computes": ("while True: pass", False),
    "does not listen": (
        "[signal.signal(n, signal.SIG_IGN) for n in (signal.SIGTERM, 2)]; time.sleep(60)",
        False,
    ),
    "answers and holds on": ("say(answer); time.sleep(60)", False),
    "answers, closes and lives on": (
        "say(answer); os.close(1); time.sleep(60)",
        True,
    ),
}

# answers well, and leaves a process behind
LEAVING = {
    "a child": "if os.fork(): say(answer)\nelse: time.sleep(60)",
    "a child without streams": (
        "if os.fork(): say(answer)\nelse:\n  [os.close(n) for n in (0, 1, 2)]\n  time.sleep(60)"
    ),
    "a session of its own": (
        "if os.fork(): say(answer)\nelse:\n  os.setsid()\n"
        "  if os.fork(): os._exit(0)\n  time.sleep(60)"
    ),
    "a group of its own": "if os.fork(): say(answer)\nelse:\n  os.setpgid(0, 0)\n  time.sleep(60)",
    "a child of a crash": "if os.fork(): os.abort()\nelse: time.sleep(60)",
}
