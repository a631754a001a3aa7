"""The tour of the README as a user types it, on the shipped model and a text that the test writes: every command must
succeed and agree with the others. Then what a user gets wrong: every error must name the value.
Usage: command_test.py SOURCE_DIR ASSAY"""
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile

source, assay = map(pathlib.Path, sys.argv[1:3])
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
problems = []


def run(*words, fails=False):
    done = subprocess.run([assay, *map(str, words)], capture_output=True, text=True, cwd=folder)
    if (done.returncode != 0) != fails or done.returncode < 0:
        problems.append(f"assay {' '.join(map(str, words))}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stderr if fails else done.stdout


def expect(true, what):
    if not true:
        problems.append(what)


def tensor(file, name):
    data = file.read_bytes()
    size = struct.unpack("<Q", data[:8])[0]
    info = json.loads(data[8:8 + size])[name]
    assert info["dtype"] == "F32", info
    begin, end = (8 + size + offset for offset in info["data_offsets"])
    return info["shape"], struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])


def exported(run_folder, units):
    run("neurons", "export", "--run", run_folder, "--units", units, "--format", "json", "--out", f"{run_folder}_json")
    found = {}
    for file in (folder / f"{run_folder}_json").glob("*.json"):
        neuron = json.loads(file.read_text())
        found[neuron["layer"], neuron["neuron"]] = neuron
    return found


def tour():
    units = "0:0-5,3:0-5"
    text = [json.dumps({"text": page.read_text()}) for page in sorted((source / "docs").rglob("*.md"))]
    (folder / "text.jsonl").write_text("\n".join(text))
    run("neurons", "collect", "--text", "text.jsonl", "--run", "tour", "--max-sequences", "150", "--top", "8", "--sample",
        "40")
    run("neurons", "graph", "--run", "tour", "--units", units)
    table = run("neurons", "score", "--run", "tour", "--json", "scores.json", "--sequences", "10")
    expect("held-out" in table.lower() and "5-gram" in table, f"score table:\n{table}")
    scores = json.loads((folder / "scores.json").read_text())
    expect({"held_out", "random_text"} <= set(scores["sets"]), f"sets: {list(scores['sets'])}")
    for layer in scores["sets"]["held_out"]:
        expect({"n2g", "token_lookup", "ngram", "excluded", "units"} <= set(layer), f"keys: {list(layer)}")

    made = exported("tour", units)
    expect(len(made) == 12, f"{len(made)} neurons exported")
    firing = {u: n for u, n in made.items() if any(x["kind"] == "activating" for x in n["graph"]["nodes"])}
    expect(len(firing) >= 6, f"only {len(firing)} of 12 neurons have a graph")
    unit, neuron = next(iter(firing.items()))
    name = f"{unit[0]}:{unit[1]}"
    token = next(x["token"] for x in neuron["graph"]["nodes"] if x["kind"] == "activating")
    expect(name in run("neurons", "search", "--run", "tour", "--activating", token), f"search does not find {name}")
    run("neurons", "search", "--run", "tour", "--repeated")
    run("neurons", "similar", "--run", "tour")
    run("neurons", "show", name, "--run", "tour", "--svg", "n.svg", "--html", "n.html", "--dot", "n.dot")
    expect(token.strip() in run("neurons", "show", name, "--run", "tour"), "show does not name the token")
    expect("<svg" in (folder / "n.svg").read_text(), "n.svg")
    expect("<script src" not in (folder / "n.html").read_text(), "n.html is not self-contained")
    expect((folder / "n.dot").read_text().startswith(("digraph", "strict digraph")), "n.dot")
    run("neurons", "report", "--run", "tour")
    expect((folder / "tour/index.html").exists(), "no index.html")
    return made, name, unit


def check_prediction(name, unit):
    """The true activations that `predict` prints are those of `model activations`."""
    words = "The table of tensors in the file"
    hook = f"blocks.{unit[0]}.mlp.hook_mid"
    run("model", "activations", "default", "--text", words, "--hooks", hook, "--out", "acts.safetensors")
    (_, tokens, width), values = tensor(folder / "acts.safetensors", hook)
    run("neurons", "predict", name, "--run", "tour", "--text", words, "--json", "predict.json")
    rows = json.loads((folder / "predict.json").read_text())["tokens"]
    truth = [values[t * width + unit[1]] for t in range(tokens)]
    expect(len(rows) in (tokens, tokens - 1), f"{len(rows)} rows for {tokens} tokens")
    for row, expected in zip(reversed(rows), reversed(truth)):
        expect(abs(row["activation"] - expected) < 1e-4 * (1 + abs(expected)), f"{row} against {expected}")


def check_given_examples(made):
    """A run of given examples makes the graph that the same examples made when they were collected."""
    sequences, units = [], []
    for (layer, neuron), n in made.items():
        if not any(x["kind"] == "activating" for x in n["graph"]["nodes"]):
            continue
        halves = {"train": [], "test": []}
        for example in (x for x in n["examples"] if x["kind"] == "top"):
            halves[example["half"]].append(len(sequences))
            sequences.append(example["token_ids"])
        units.append({"layer": layer, "neuron": neuron, "max_activation": n["graph"]["max_activation"], **halves})
    (folder / "given.json").write_text(json.dumps({"sequences": sequences, "units": units}))
    run("neurons", "graph", "--model", "default", "--run", "given", "--examples", "given.json")
    again = exported("given", ",".join(f"{u['layer']}:{u['neuron']}" for u in units))
    for unit in units:
        key = unit["layer"], unit["neuron"]
        shape = [[(x["kind"], x.get("token_id"), x["parent"]) for x in run_[key]["graph"]["nodes"]]
                 for run_ in (made, again)]
        expect(sorted(map(str, shape[0])) == sorted(map(str, shape[1])), f"{key}: the graphs differ")
    run("neurons", "score", "--run", "given", "--json", "given_scores.json")
    return units[0], sequences


def check_errors(unit, sequences):
    def refused(parts, *words):
        message = run(*words, fails=True)
        for part in parts:
            expect(part in message, f"assay {' '.join(map(str, words))}: '{part}' is not in: {message}")

    refused(["nowhere"], "neurons", "score", "--run", "nowhere")
    refused(["9:0"], "neurons", "show", "9:0", "--run", "tour")
    refused(["missing.jsonl"], "neurons", "collect", "--text", "missing.jsonl", "--run", "other")
    for wrong, parts in [({**unit, "neuron": 768}, ["wrong.json", ":768"]),
                         ({**unit, "max_activation": 0}, ["max_activation", "0"]),
                         ({**unit, "test": [len(sequences)]}, [f"no sequence {len(sequences)}"])]:
        (folder / "wrong.json").write_text(json.dumps({"sequences": sequences, "units": [wrong]}))
        refused(parts, "neurons", "graph", "--model", "default", "--run", "wrong", "--examples", "wrong.json")


with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    made, name, unit = tour()
    check_prediction(name, unit)
    check_errors(*check_given_examples(made))
if problems:
    print(f"{len(problems)} problems", *problems[:20], sep="\n")
    sys.exit(1)
print("the tour works")
