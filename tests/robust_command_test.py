"""`assay robust` as a user types it: check, attack, universal, apply, nuclei and study, on the shipped classifier and a few
generated tiles; then the commands of the golden files, where ../shared is there; then what a user gets wrong.
Usage: robust_command_test.py SOURCE_DIR ASSAY"""
import array
import json
import math
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile

source, assay = (pathlib.Path(word).resolve() for word in sys.argv[1:3])
shared = source.parent / "shared"
os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
problems = []
CODES = {"F32": "f", "F64": "d", "I64": "q"}


def run(*words, fails=False):
    """What the command prints; standard error too, as a user sees it."""
    words = ["robust", *map(str, words)]
    done = subprocess.run([assay, *words], capture_output=True, text=True, cwd=folder)
    if (done.returncode != 0) != fails or done.returncode < 0:
        problems.append(f"assay {' '.join(words)}: exit status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def refused(parts, *words):
    message = run(*words, fails=True)
    for part in parts:
        expect(part in message, f"assay robust {' '.join(map(str, words))}: '{part}' is not in: {message}")


def expect(true, what):
    if not true:
        problems.append(what)


def read_json(name):
    return json.loads((folder / name).read_text())


def tensors(file):
    """{name: (type, shape, values)} and the metadata."""
    data = pathlib.Path(file).read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    header = json.loads(data[8:begin])
    metadata = header.pop("__metadata__", {})
    found = {}
    for name, info in header.items():
        low, high = info["data_offsets"]
        found[name] = info["dtype"], info["shape"], array.array(CODES[info["dtype"]], data[begin + low:begin + high])
    return found, metadata


def write_tensors(name, wanted):
    header, body = {}, b""
    for key, (dtype, shape, values) in wanted.items():
        data = array.array(CODES[dtype], values).tobytes()
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [len(body), len(body) + len(data)]}
        body += data
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / name).write_bytes(struct.pack("<Q", len(text)) + text + body)


def farthest(found, expected):
    """Largest difference of two tensors of the same shape."""
    if found[1] != expected[1] or len(found[2]) != len(expected[2]):
        return math.inf
    return max(abs(a - b) for a, b in zip(found[2], expected[2]))


def check_clean():
    run("synthesize", "--out", "tiles", "--tiles", "12", "--seed", "5")
    run("synthesize", "--out", "others", "--tiles", "8", "--seed", "6")
    said = run("check", "--tiles", "tiles", "--json", "check.json")
    found = read_json("check.json")
    expect("for demonstration" in said, f"check does not say what the classifier is:\n{said}")
    expect(found["tiles"] == 12 and found["accuracy"] == found["correct"] / 12, f"check: {found}")
    expect(sum(row["tiles"] for row in found["by_class"]) == 12, f"check: {found['by_class']}")
    expect("too few tiles to tell (12)" in said and found["reproduces_declared"] is None, f"12 tiles tell:\n{said}")
    refused(["12 tiles are too few to tell"], "check", "--tiles", "tiles", "--require-declared")


def check_declared():
    """A declared accuracy that is wrong is named by check, attack and evaluate, also on a few tiles."""
    shutil.copytree(source / "models/assay-he", folder / "wrong")
    sidecar = read_json("wrong/assay-he.json")
    sidecar["clean_accuracy"] = {"some tiles": 0.1}
    (folder / "wrong/assay-he.json").write_text(json.dumps(sidecar))
    model = ["--model", "wrong", "--tiles", "tiles"]
    expect("NOT reproduced" in run("check", *model), "check: a wrong declared accuracy is not named")
    flag = "the sidecar declares 0.1000 (some tiles), and chance does not explain"
    said = run("attack", *model, "--limit", "6", "--attack", "fgsm", "--epsilon", "1/255", "--json", "declared.json")
    expect(flag in said and any(flag in x for x in read_json("declared.json")["flags"]), f"attack does not warn:\n{said}")
    run("evaluate", *model, "--limit", "6", "--attacks", "fgsm", "--transforms", "none", "--saliency", "none", "--masks",
        "none", "--no-curves", "--resamples", "20", "--out", "evaluation")
    flags = json.dumps(read_json("evaluation/report.json"))
    expect(flag in flags, "evaluate does not flag the declared accuracy")
    said = run("attack", "--tiles", "tiles", "--limit", "6", "--attack", "fgsm", "--epsilon", "1/255")
    expect("the sidecar declares" not in said, f"attack doubts a right accuracy:\n{said}")


def check_attack():
    attack = ["attack", "--tiles", "tiles", "--limit", "4", "--epsilon", "4/255"]
    said = run(*attack, "--attack", "fgsm", "--json", "fgsm.json", "--out", "fgsm.safetensors")
    found = read_json("fgsm.json")
    expect(found["images"] == 4 and found["robust_right"] <= found["clean_right"], f"fgsm: {found}")
    expect(f"({found['clean_right']}/4)" in said and f"({found['robust_right']}/4)" in said, f"fgsm: {said}")
    out, _ = tensors(folder / "fgsm.safetensors")
    expect(out["fgsm_adv"][1] == [4, 3, 96, 96], f"fgsm_adv: {out['fgsm_adv'][1]}")
    expect(min(out["fgsm_adv"][2]) >= 0 and max(out["fgsm_adv"][2]) <= 1, "fgsm_adv leaves the range")
    # The written images are answered as the file says.
    write_tensors("attacked.safetensors", {"input": out["fgsm_adv"],
                                           "labels": ("I64", [4], [int(i % 2) for i in range(4)])})
    run("attack", "--input", "attacked.safetensors", "--attack", "fgsm", "--epsilon", "0", "--out", "again.safetensors")
    again, _ = tensors(folder / "again.safetensors")
    expect(farthest(again["clean_logits"], out["fgsm_logits"]) < 1e-3, "fgsm_logits are not those of fgsm_adv")
    run(*attack, "--attack", "pgd", "--steps", "3", "--json", "pgd.json")
    expect(read_json("pgd.json")["robust_right"] <= found["robust_right"], "PGD is weaker than FGSM")
    values = out["fgsm_adv"][2][:]
    values[7] = math.nan
    write_tensors("nan.safetensors", {"input": ("F32", [4, 3, 96, 96], values), "labels": ("I64", [4], [0] * 4)})
    refused([f"1 of {len(values)} image values are not finite"], "attack", "--input", "nan.safetensors")


def check_targeted():
    write_tensors("ones.safetensors", {"input": ("F32", [2, 3, 96, 96], [0.5] * (2 * 3 * 96 * 96)),
                                       "labels": ("I64", [2], [1, 1])})
    labels = [row.split(",")[1] for row in (folder / "tiles/manifest.csv").read_text().splitlines()[1:]]
    targeted = ["attack", "--attack", "pgd", "--objective", "targeted", "--target", "1", "--epsilon", "8/255"]
    said = run(*targeted, "--tiles", "tiles", "--json", "targeted.json")
    found = read_json("targeted.json")
    expect(found["left_out_at_target"] == labels.count("1") and found["images"] == labels.count("0"), f"left out: {found}")
    expect("accuracy" not in said and "answered with 1 (atypical)" in said, f"the heading of a targeted attack:\n{said}")
    expect(f"{labels.count('1')} left out" in said and "robust_right" not in found, f"targeted: {found}")
    expect(found["attacked_at_target"] >= max(1, found["clean_at_target"]), f"PGD reaches no target: {found}")
    expect(f"({found['attacked_at_target']}/{found['images']})" in said, f"targeted:\n{said}")
    refused(["label of all 2 images is 1"], *targeted, "--input", "ones.safetensors")
    refused(["--target is 2"], *targeted[:5], "--target", "2", "--tiles", "tiles")


def check_units():
    """A median distance says of what."""
    found = run("attack", "--tiles", "tiles", "--transform", "stain", "--attack", "pgd", "--epsilon", "2", "--steps", "5")
    expect("half ranges of the parameters" in found, f"no unit of a transform's distance:\n{found}")
    found = run("attack", "--tiles", "tiles", "--attack", "pgd", "--norm", "l2", "--epsilon", "5", "--steps", "5")
    expect("of image values in [0, 1]" in found, f"no unit of a distance:\n{found}")


def check_universal():
    said = run("universal", "--train-tiles", "tiles", "--test-tiles", "others", "--epochs", "2", "--controls", "1",
               "--budgets", "8/255,32/255", "--transfer", "default", "--json", "u.json", "--svg", "u.svg", "--out", "u.safetensors")
    found = read_json("u.json")
    out, metadata = tensors(folder / "u.safetensors")
    expect(out["perturbations"][1] == [2, 3, 96, 96] and metadata["norm"] == "linf", f"universal: {metadata}")
    values = out["perturbations"][2]
    for row, (budget, part) in enumerate(zip((8, 32), (values[:len(values) // 2], values[len(values) // 2:]))):
        expect(max(map(abs, part)) <= budget / 255 + 1e-6, f"universal {budget}: {max(map(abs, part)) * 255} grey levels")
        score = found["budgets"][row]
        expect(score["right"] and sum(score["flipped_by_class"]) == score["flipped"], f"universal: {score}")
        expect(f"({score['flipped']}/{score['right']})" in said, f"universal: {score} is not in\n{said}")
        transfer = score["transfer"][0]["flip_share"]
        expect(transfer == score["flip_share"], f"transfer to itself: {transfer}, not {score['flip_share']}")
    expect(said.count("for demonstration") == 2, f"a demonstration classifier to transfer to is not named:\n{said}")
    expect("few_atypical" in said and found["class_names"] == ["few_atypical", "many_atypical"], f"universal names no class:\n{said}")
    expect("universal at 0: 0.0%" in (folder / "u.svg").read_text(), "u.svg does not begin at no change")
    refused(["training images as well"], "universal", "--train-tiles", "tiles", "--test-tiles", "tiles")
    write_tensors("small.safetensors", {"input": ("F32", [1, 3, 32, 32], [0.5] * 3072), "labels": ("I64", [1], [0])})
    refused(["[3, 96, 96]", "[3, 32, 32]"], "universal", "--train-tiles", "tiles", "--test-input", "small.safetensors")


def check_apply():
    listed = run("apply", "--list")
    expect("brightness" in listed and "jpeg" in listed, f"apply --list:\n{listed}")
    values = [i / 191 for i in range(192)]
    write_tensors("in.safetensors", {"input": ("F32", [1, 3, 8, 8], values), "weights": ("F32", [1, 1], [0.25])})
    run("apply", "in.safetensors", "--transform", "mean", "--out", "out.safetensors")
    out, _ = tensors(folder / "out.safetensors")
    expect(max(abs(a - min(1, b + 0.25)) for a, b in zip(out["output"][2], values)) < 1e-6, "mean does not add 0.25")
    refused(["angle"], "apply", "in.safetensors", "--transform", "rotate", "--out", "out.safetensors")


def check_nuclei():
    said = run("nuclei", "--images", "tiles/tiles", "--masks", "tiles/masks", "--out", "nuclei")
    found = read_json("nuclei/nuclei.json")
    expect(len(found["images"]) == 12 and len(list((folder / "nuclei/labels").glob("*.png"))) == 12, "nuclei: not 12 images")
    expect(found["pooled"]["f1"] > 0.5, f"nuclei of generated tiles: {found['pooled']}\n{said}")


def answer(trials, study, right):
    rows = [f"{study},{t['trial']},{t['altered'] if right(t) else 3 - t['altered']},900,me" for t in trials]
    (folder / "answers.csv").write_text("study,trial,choice,milliseconds,person\n" + "\n".join(rows) + "\n")
    return run("study", "score", "--key", "study.key.json", "--answers", "answers.csv", "--json", "score.json")


def check_study():
    run("study", "make", "--tiles", "tiles", "--levels", "2,8,32", "--trials", "8", "--steps", "2", "--out", "study")
    key = read_json("study.key.json")
    trials = key["trials"]
    expect(len(trials) == 24 and len(list((folder / "study/pairs").glob("*.png"))) == 48, f"study: {len(trials)} trials")
    page = (folder / "study/study.html").read_text()
    expect("<script src" not in page and "altered\":" not in page, "the page loads scripts or tells the key")
    for trial in trials:
        pair = [(folder / f"study/pairs/{trial['trial']:04}-{i}.png").read_bytes() for i in (1, 2)]
        expect(pair[0] != pair[1] and trial["rmse_grey"] > 0, f"pair {trial} is one picture twice")
    # An observer who sees changes of 8 grey levels and more.
    said = answer(trials, key["study"], lambda trial: trial["level"] >= 8 or trial["trial"] % 2)
    found = read_json("score.json")
    expect(found["trials"] == 24 and 1 < found["threshold"] < 32, f"study score: {found}")
    expect("threshold (75% correct)" in said, said)
    said = answer(trials, key["study"], lambda trial: True)
    expect("below 2 grey levels" in said, f"all seen, from the lowest level on:\n{said}")
    expect(read_json("score.json")["threshold_beyond_levels"] == "below 2", "study score: the threshold is not marked")
    refused(["nothing.csv"], "study", "score", "--key", "study.key.json", "--answers", "nothing.csv")


def check_transform_goldens():
    for name, transform in [("Stain_a_idc50", "Stain"), ("Rotate_cifar32", "Rotate")]:
        golden, _ = tensors(shared / f"golden/reet/{name}.safetensors")
        expected = golden.pop("output")
        write_tensors("in.safetensors", golden)
        run("apply", "in.safetensors", "--transform", transform, "--compat", "reet", "--out", "out.safetensors")
        found, _ = tensors(folder / "out.safetensors")
        distance = farthest(found["output"], expected)
        expect(distance <= 1e-5 * 255, f"apply {name}: differs by {distance} of 255")


def check_attack_goldens():
    refused(["cifar_resnet20 has 10 classes"], "universal", "--train-tiles", "tiles", "--test-tiles", "others",
            "--transfer", shared / "models/cifar_resnet20.pt")
    for name in ("cifar_resnet20", "idc_resnet18w16"):
        golden, metadata = tensors(shared / f"golden/attacks/{name}.safetensors")
        facts = json.loads((shared / f"golden/attacks/{name}.json").read_text())
        write_tensors("in.safetensors", {key: golden[key] for key in ("input", "labels")})
        step, steps = f"{float(metadata['alpha']) * 255:.9g}/255", int(metadata["steps"])
        run("attack", "--model", shared / f"models/{name}.pt", "--input", "in.safetensors", "--attack", "pgd", "--norm",
            "linf", "--epsilon", metadata["eps"], "--step", step, "--steps", steps, "--no-random-start", "--last-iterate",
            "--out", "out.safetensors")
        found, _ = tensors(folder / "out.safetensors")
        for key, allowed in [("clean_logits", 1e-4), ("clean_loss", 1e-4), ("fgsm_logits", 1e-3), ("pgd_logits", 2e-3),
                             ("pgd_loss", 2e-3), ("grad", 1e-4 * max(map(abs, golden["grad"][2])) + 1e-7)]:
            distance = farthest(found[key], golden[key])
            expect(distance <= allowed, f"attack {name}: {key} differs by {distance}; allowed {allowed}")
        shares = facts["pgd_share_of_values_differing_float32_vs_float64_per_step"]
        a, b = found["pgd_adv"][2], golden["pgd_adv"][2]
        expect(found["pgd_adv"][1] == golden["pgd_adv"][1], f"attack {name}: pgd_adv {found['pgd_adv'][1]}")
        size = len(b) // steps
        for i in range(steps):
            off = sum(abs(x - y) > 1e-5 for x, y in zip(a[i * size:(i + 1) * size], b[i * size:(i + 1) * size])) / size
            expect(off <= 2 * shares[i] + 1e-4, f"attack {name}: {off} of the values differ at step {i}")


CHECKS = [check_clean, check_declared, check_attack, check_targeted, check_units, check_universal, check_apply, check_nuclei,
          check_study]
GOLDENS = [check_transform_goldens, check_attack_goldens]
with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    with_goldens = (shared / "golden/attacks").exists() and (shared / "models/cifar_resnet20.pt").exists()
    for check in CHECKS + (GOLDENS if with_goldens else []):
        try:
            check()
        except (OSError, LookupError, ValueError) as error:  # of a file that a failed command did not write
            problems.append(f"{check.__name__}: {error!r}")
if problems:
    print(f"{len(problems)} problems", *problems[:20], sep="\n")
    sys.exit(1)
print("the commands work" + ("" if with_goldens else "; SKIPPED the golden files: ../shared is not there"))
