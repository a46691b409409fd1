"""OpenAI's SDK for Python with its default retries: a failed turn costs as many upstream turns as it deserves."""
import json
import os
import sys
from pathlib import Path

import httpx
import openai

HERE = Path(__file__).parent
sdk = openai.OpenAI(base_url=os.environ["BASE_URL"] + "/v1", api_key=os.environ["API_KEY"])


def count(said):
    answer = httpx.get(os.environ["UPSTREAM"] + "/count", params={"said": said}, trust_env=False)
    return answer.json()["count"]


def take(case, number):
    """The error that the SDK raised, and what it cost."""
    mark = f"py-{number}"
    said = f"{case['say']} {mark}"
    error = None
    try:
        answer = sdk.chat.completions.create(
            model="clients", messages=[{"role": "user", "content": said}], stream=case.get("stream", False)
        )
        for _ in answer if case.get("stream") else []:
            pass
    except openai.APIError as raised:
        error = raised
    effects = Path(os.environ["WORKSPACE"]) / mark
    done = len(effects.read_text().splitlines()) if effects.exists() else 0
    return error, count(said), done


assert sdk.max_retries == 2, "the SDK's default is no longer what this test is about"
failed = 0
for number, case in enumerate(json.loads((HERE / "cases.json").read_text())):
    error, turns, effects = take(case, number)
    well = error is not None and turns == case["upstream"] and effects == case.get("effects", 0)
    failed += not well
    print(f"{'PASS' if well else 'FAIL'} python: {case['name']}: {turns} upstream turns, {effects} effects, {error!r:.120}")
sys.exit(1 if failed else 0)
