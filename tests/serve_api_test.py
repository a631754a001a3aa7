"""`assay serve` over a small run that it makes itself: every route of docs/openapi.yaml is asked, with what a page would
ask and with what it should not, and the answers are held against the document's schemas. Also what needs a model: a text
is tried, a graph is built as a job.
Usage: serve_api_test.py SOURCE_DIR ASSAY SHARED_FOLDER. Exits with 77 (skipped) where PyYAML or the model is absent."""
import http.client
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.parse

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is absent")
    sys.exit(77)

source, assay, shared = map(pathlib.Path, sys.argv[1:4])
model, text = shared / "models/stories260k", shared / "data/text/tinystories_700.jsonl"
if not (model / "config.json").exists() or not text.exists():
    print(f"skipped: {model} or {text} is absent")
    sys.exit(77)
document = yaml.safe_load((source / "docs/openapi.yaml").read_text())
kinds = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None), "integer": int,
         "number": (int, float)}
problems = []
asked = set()


def resolve(node):
    while "$ref" in node:
        target = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def check(value, schema, where):
    schema = resolve(schema)
    types = schema.get("type")
    if types is not None:
        types = types if isinstance(types, list) else [types]
        fits = any(isinstance(value, kinds[one]) and not (one in ("integer", "number") and isinstance(value, bool))
                   for one in types)
        if not fits:
            problems.append(f"{where}: {value!r:.80} is no {' or '.join(types)}")
            return
    if "enum" in schema and value not in schema["enum"]:
        problems.append(f"{where}: {value!r:.80} is none of {schema['enum']}")
    if isinstance(value, dict):
        for name in schema.get("required", []):
            if name not in value:
                problems.append(f"{where}: has no '{name}'")
        for name, member in schema.get("properties", {}).items():
            if name in value:
                check(value[name], member, f"{where}.{name}")
    if isinstance(value, list) and "items" in schema:
        for i, member in enumerate(value):
            check(member, schema["items"], f"{where}[{i}]")


class Server:
    def __init__(self, *runs):
        self.process = subprocess.Popen([assay, "serve", *runs, "--port", "0", "--model", model], stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("http://127.0.0.1:"):
            sys.exit(f"the server did not start: {line!r}")
        self.port = int(line.strip().rstrip("/").rsplit(":", 1)[1])

    def ask(self, method, template, query="", body=None, **names):
        """The document of an answer, checked against what `template` documents for its status."""
        path = template
        for name, value in names.items():
            path = path.replace("{" + name + "}", urllib.parse.quote(str(value), safe=""))
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {"Content-Type": "application/json"} if body is not None else {}
        connection.request(method, path + query, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        data, status = response.read(), response.status
        connection.close()
        asked.add((method, template))
        answers = document["paths"][template][method.lower()]["responses"]
        if str(status) not in answers:
            problems.append(f"{method} {path}{query}: status {status} is not documented: {data[:200]}")
            return status, None
        answer = resolve(answers[str(status)])
        type_, media = next(iter(answer["content"].items()))
        if response.getheader("Content-Type").split(";")[0] != type_:
            problems.append(f"{method} {path}: Content-Type is {response.getheader('Content-Type')}, documented {type_}")
        if type_ != "application/json":
            return status, data
        value = json.loads(data)
        check(value, media["schema"], f"{method} {path} {status}")
        return status, value


def expect(what, condition):
    if not condition:
        problems.append(f"expected: {what}")


def run_assay(*arguments):
    done = subprocess.run([assay, *map(str, arguments)], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"assay {' '.join(map(str, arguments))}: {done.stdout}{done.stderr}")


def report_of_the_document(folder):
    """The example of docs/robustness-report.md where it is there, else a minimal report; its pictures are written."""
    path = source / "docs/robustness-report.md"
    report = {"schema": "assay.robustness", "items": [{"pictures": {"original": "gallery/a.png"}}]}
    if path.exists() and "```json\n" in path.read_text():
        report = json.loads(path.read_text().split("```json\n")[1].split("```")[0])
    (folder / "gallery").mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))
    pictures = []

    def walk(node):
        if isinstance(node, str) and node.startswith("gallery/") and node.endswith(".png"):
            pictures.append(node)
        for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else []:
            walk(child)
    walk(report)
    for name in pictures:
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    return report, pictures


def pairs_of_a_study(folder):
    (folder / "pairs").mkdir(parents=True)
    (folder / "study.html").write_text("<p>Study study-0123abcd</p>")
    for name in ("0001-1", "0001-2", "0002-1", "0002-2"):
        (folder / "pairs" / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n")


def evaluation_of_tiles(folder):
    """A robustness run of the shipped classifier, small: what jobs of the kind evaluate work on."""
    run_assay("robust", "synthesize", "--out", folder / "tiles", "--tiles", 12, "--patients", 4, "--seed", 3)
    run_assay("robust", "evaluate", "--tiles", folder / "tiles", "--out", folder / "tiles-run", "--attacks", "fgsm",
              "--transforms", "none", "--masks", "none", "--saliency", "gradient", "--saliency-images", 2, "--gallery", 1,
              "--resamples", 10)
    return folder / "tiles-run"


def ask_everything(server, report, pictures):
    runs = "/api/runs/{run}"
    neuron = runs + "/neurons/{layer}/{index}"
    ask = server.ask
    expect("a style sheet", ask("GET", "/api/style.css")[0] == 200)
    listed = ask("GET", "/api/runs")[1]["runs"]
    expect("five runs", [run["name"] for run in listed] == ["stories", "images", "pairs", "tiles-run", "units"])
    expect("jobs of the runs", [run["jobs"] for run in listed] == [["graph"], [], [], ["evaluate"], []])
    overview = ask("GET", runs, run="stories")[1]
    expect("scores", len(overview["scores"]) > 0)
    ask("GET", runs, run="nowhere")
    layer_map = ask("GET", runs + "/layers/{layer}", run="stories", layer=0)[1]
    expect("columns of one length", len({len(layer_map[name]) for name in layer_map if name != "layer"}) == 1)
    ask("GET", runs + "/layers/{layer}", run="stories", layer="x")
    ask("GET", runs + "/layers/{layer}", run="stories", layer=99)
    for seed in range(30):  # a unit whose graph is not empty
        unit = ask("GET", runs + "/random", f"?seed={seed}", run="stories")[1]
        place = {"run": "stories", "layer": unit["layer"], "index": unit["index"]}
        picture = ask("GET", neuron + "/graph", **place)[1]
        if picture["nodes"]:
            break
    expect("a graph with nodes", picture["nodes"] and picture["svg"].startswith("<svg"))
    expect("examples behind nodes", any(node["examples"] for node in picture["nodes"]))
    ask("GET", runs + "/random", run="stories")
    summary = ask("GET", neuron, **place)[1]
    expect("scores of the unit", len(summary["scores"]) > 0)
    expect("clusters of the unit", len(summary["clusters"]) > 0)
    ask("GET", neuron, run="stories", layer=0, index=123456)
    ask("GET", neuron, run="stories", layer=0, index="<script>")
    ask("GET", neuron + "/graph", "?nodes=0", **place)
    for kind in summary["examples"]:
        page = ask("GET", neuron + "/examples", f"?kind={kind}&limit=3", **place)[1]
        expect(f"examples of the kind {kind}", len(page["examples"]) > 0)
    ask("GET", neuron + "/examples", "?kind=best", **place)
    expect("members of a cluster", ask("GET", neuron + "/examples", "?cluster=0", **place)[1]["total"] > 0)
    rank = summary["trajectories"]["examples"][0]["example"]
    expect("prompts", len(ask("GET", neuron + "/prompts/{rank}", rank=rank, **place)[1]["prompts"]) > 0)
    ask("GET", neuron + "/prompts/{rank}", rank=9999, **place)
    ask("GET", neuron + "/similar", **place)
    expect("no tiles of a language model", ask("GET", neuron + "/sheet", **place)[0] == 404)
    sheets(server, neuron)
    token = next(node["text"] for node in picture["nodes"] if node["activating"])
    hits = ask("GET", runs + "/search", "?" + urllib.parse.urlencode({"activating": token, "limit": 100}), run="stories")
    expect(f"{token} is found", any(hit["index"] == unit["index"] for hit in hits[1]["hits"]))
    label = summary["clusters"][0]["label"]
    hits = ask("GET", runs + "/search", "?" + urllib.parse.urlencode({"label": label, "limit": 100}), run="stories")
    expect("a cluster is found by its label", len(hits[1]["hits"]) > 0)
    ask("GET", runs + "/search", "?limit=1000", run="stories")
    status, trial = ask("GET", runs + "/study/{trial}", "?seed=5", run="stories", trial=0)
    expect("a trial", status == 200)
    answer = {"seed": 5, "trial": 0, "choice": 0, "milliseconds": 10, "layer": trial["layer"], "index": trial["index"]}
    expect("an answer", ask("POST", runs + "/study", body=answer, run="stories")[0] == 200)
    ask("POST", runs + "/study", body={"seed": "x"}, run="stories")
    expect("it is kept", ask("GET", runs + "/study", run="stories")[1]["answers"] == 1)
    expect("the report as written", ask("GET", runs + "/robustness", run="images")[1] == report)
    for name in pictures:
        folder, file = name.split("/")
        status, data = ask("GET", runs + "/pictures/{folder}/{file}", run="images", folder=folder, file=file)
        expect(f"the picture {name}", status == 200 and data.startswith(b"\x89PNG"))
    ask("GET", runs + "/pictures/{folder}/{file}", run="images", folder="..", file="report.json")
    expect("two pairs", ask("GET", runs + "/pairs", "?session=abcdefgh", run="pairs")[1]["pairs"] == 2)
    ask("GET", runs + "/pairs", run="images")
    answer = {"session": "abcdefgh", "pair": 2, "choice": 1, "milliseconds": 400, "person": None}
    expect("a pair answered", ask("POST", runs + "/pairs", body=answer, run="pairs")[1] == {"answered": [2]})
    expect("not again", ask("POST", runs + "/pairs", body=answer, run="pairs")[0] == 400)
    expect("a picture", ask("GET", runs + "/pairs/{pair}/{side}", run="pairs", pair=2, side=1)[0] == 200)
    ask("GET", runs + "/pairs/{pair}/{side}", run="pairs", pair=3, side=1)
    return unit


def sheets(server, neuron):
    """The patches of a unit of an image classifier: of every cluster, of one, and of none."""
    unit = {"run": "units", "layer": 1, "index": 0}
    clusters = server.ask("GET", neuron, **unit)[1]["clusters"]
    status, all_of_them = server.ask("GET", neuron + "/sheet", **unit)
    expect("a contact sheet", status == 200 and all_of_them.startswith(b"\x89PNG"))
    for cluster in clusters:
        status, one = server.ask("GET", neuron + "/sheet", f"?cluster={cluster['cluster']}", **unit)
        expect("the sheet of a cluster", status == 200 and one.startswith(b"\x89PNG") and one != all_of_them)
    expect("no such cluster", server.ask("GET", neuron + "/sheet", "?cluster=99", **unit)[0] == 404)
    expect("no such unit", server.ask("GET", neuron + "/sheet", run="units", layer=1, index=999)[0] == 404)


def units_of_tiles(folder):
    """Units of the shipped classifier on the tiles that the evaluation made."""
    run_assay("neurons", "embed", "--images", source / "models/assay-he/assay-he.safetensors", "--tiles", folder / "tiles",
              "--run", folder / "units", "--units", "1:0-3", "--share", 0.3, "--cut", "fixed")
    return folder / "units"


def try_a_text(server, unit):
    path = "/api/runs/{run}/try"
    said = "Once upon a time there was a little girl."
    tried = server.ask("POST", path, body={"text": said, "unit": f"{unit['layer']}:{unit['index']}"}, run="stories")[1]
    expect("the text in tokens", "".join(tried["tokens"]).strip() == said)
    expect("activations and predictions a token", len(tried["unit"]["activations"]) == len(tried["tokens"])
           == len(tried["unit"]["predicted"]))
    shares = [one["share"] for one in tried["top"]]
    expect("top units, strongest first", shares and shares == sorted(shares, reverse=True))
    for body in ({"text": ""}, {"text": "a", "unit": "x"}, {"text": "a", "unit": "77:0"}, {"text": "a " * 3000}, {}):
        expect(f"{body!s:.30} is refused", server.ask("POST", path, body=body, run="stories")[0] in (400, 404))


def graph_a_unit(server, unit):
    def start(parameters):
        return server.ask("POST", "/api/jobs", body={"kind": "graph", "run": "stories", "parameters": parameters})

    expect("parameters are checked first", start({"layer": 0})[0] == 400 and start({"layer": -1, "index": 0})[0] == 400
           and start({"layer": 9, "index": 0})[0] == 404)
    status, job = start(unit)
    expect("a job", status == 202)
    job = finished(server, job)
    expect(f"the job's result, not {job}", job["state"] == "done" and job["result"] == unit)
    summary = server.ask("GET", "/api/runs/{run}/neurons/{layer}/{index}", run="stories", **unit)[1]
    expect("the unit has a graph now", summary["has_graph"])
    server.ask("GET", "/api/jobs")
    server.ask("DELETE", "/api/jobs/{job}", job=job["id"])
    server.ask("DELETE", "/api/jobs/{job}", job=999)


def finished(server, job):
    end = time.monotonic() + 120
    while job["state"] in ("queued", "running") and time.monotonic() < end:
        time.sleep(0.1)
        job = server.ask("GET", "/api/jobs/{job}", job=job["id"])[1]
    return job


def evaluate_an_attack(server, run):
    def start(item, strength):
        body = {"kind": "evaluate", "run": "tiles-run", "parameters": {"item": item, "strength": strength}}
        return server.ask("POST", "/api/jobs", body=body)

    def report():
        return server.ask("GET", "/api/runs/{run}/robustness", run="tiles-run")[1]

    path = "/api/runs/{run}/evaluations"
    choices = {one["item"]: one for one in server.ask("GET", path, run="tiles-run")[1]["choices"]}
    expect("attacks and transforms to choose from", {"pgd", "stain", "rotate"} <= set(choices))
    expect("no choices without a note of where the tiles are", server.ask("GET", path, run="images")[0] == 404)
    for item, strength in (("magic", 1), ("pgd", 0), ("pgd", -1), ("pgd", 1000), ("pgd", "2"), ("pgd", None), (7, 1),
                           ("../../etc/passwd", 1)):
        expect(f"{item} at {strength} is refused", start(item, strength)[0] == 400)
    before = report()
    expect("nothing tried yet", "tried" not in before)
    status, job = start("pgd", 1.5)
    expect("a job", status == 202)
    job = finished(server, job)
    expect(f"the job's result, not {job}", job["state"] == "done" and job["result"] == {"item": "pgd-at-1.5"})
    expect("progress in images", job["progress"]["unit"] == "images" and job["progress"]["done"] > 12)
    after = report()
    tried = after["tried"][0]
    expect("the item is in the report", tried["name"] == "pgd-at-1.5" and 0 <= tried["metrics"]["accuracy"]["value"] <= 1)
    expect("the rest of the report is as before", {**after, "tried": 0} == {**before, "tried": 0})
    largest = tried["energy"]["linf_grey"]["max"]
    expect(f"no change above the strength, not {largest}", 0 < largest <= 1.5 * 1.001)
    folder, file = tried["gallery"][0]["pictures"]["perturbed"].split("/")
    picture = server.ask("GET", "/api/runs/{run}/pictures/{folder}/{file}", run="tiles-run", folder=folder, file=file)
    expect("its picture", picture[0] == 200 and picture[1].startswith(b"\x89PNG"))
    # A long one is cancelled while it runs, and leaves nothing.
    job = start("ensemble", 0.01)[1]
    while server.ask("GET", "/api/jobs/{job}", job=job["id"])[1]["state"] == "queued":
        time.sleep(0.02)
    server.ask("DELETE", "/api/jobs/{job}", job=job["id"])
    job = finished(server, job)
    expect(f"it is cancelled, not {job['state']}", job["state"] == "cancelled" and len(report()["tried"]) == 1)
    shutil.rmtree(run.parent / "tiles")
    shutil.move(run / "evaluation.json", run / "kept.json")
    expect("not offered without the note", start("pgd", 1)[0] == 400)
    shutil.move(run / "kept.json", run / "evaluation.json")
    expect("tiles that are gone are told", start("pgd", 1)[0] == 404)


folder = pathlib.Path(tempfile.mkdtemp())
os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1")
try:
    run = folder / "stories"
    run_assay("neurons", "collect", "--model", model, "--text", text, "--max-sequences", 200, "--top", 10, "--sample", 100,
              "--run", run)
    run_assay("neurons", "graph", "--run", run, "--units", "0-1:0-9", "--substitutes", "none")
    run_assay("neurons", "score", "--run", run)
    run_assay("neurons", "embed", "--run", run, "--examples", "top", "--units", "0-1:0-9")
    report, pictures = report_of_the_document(folder / "images")
    pairs_of_a_study(folder / "pairs")
    tiles = evaluation_of_tiles(folder)
    server = Server(run, folder / "images", folder / "pairs", tiles, units_of_tiles(folder))
    try:
        unit = ask_everything(server, report, pictures)
        try_a_text(server, unit)
        graph_a_unit(server, {"layer": 2, "index": 3})
        evaluate_an_attack(server, tiles)
    finally:
        server.process.send_signal(signal.SIGINT)
        expect("the server ends when told", server.process.wait(timeout=20) == 0)
    documented = {(method.upper(), path) for path, methods in document["paths"].items() for method in methods
                  if method in ("get", "post", "put", "patch", "delete")}
    for missing in sorted(documented - asked):
        problems.append(f"{missing} was not asked")
finally:
    shutil.rmtree(folder, ignore_errors=True)
if problems:
    print("\n".join(problems))
    sys.exit(1)
print(f"{len(asked)} routes asked, all answers as documented")
