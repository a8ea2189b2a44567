#!/usr/bin/env python3
# try-prompts.py - how many stored questions a language model answers right, by the way it is asked
#
#   test-answers --parts tuning.jsonl | try-prompts.py MODEL.gguf tests/flow/answers/tuning.jsonl [VARIANT…]
#
# Greedy, llama.cpp, at most 32 tokens. The prompt's parts come from our own code; a variant only arranges them.
#
# SPDX-License-Identifier: GPL-3.0-or-later
import json, re, sys
import llama_cpp

model_path, pairs_path = sys.argv[1:3]
wanted = sys.argv[3:]
pairs = [json.loads(line) for line in open(pairs_path)]
ours, *parts = [json.loads(line) for line in sys.stdin if line.startswith("{")]
model = llama_cpp.Llama(model_path, n_ctx=2048, n_threads=1, n_threads_batch=1, verbose=False)

SHORT = "You answer questions about a photo in one short sentence, from the facts you are told."
TWO_LAMPS = "The photo shows two lamps (on the left, on the right); one cat (in the center)."
KITE = "The photo shows one kite (at the top); three boats (at the bottom left, at the bottom, at the bottom right)."
CLOCK = "The photo shows one clock (at the top right)."
TURNS = {  # list, fact, question, answer: things that no stored photo shows
    "two": (TWO_LAMPS, "There are two lamps: on the left and on the right.", "How many lamps are there?", "There are two lamps: on the left and on the right."),
    "three": (KITE, "There are three boats: at the bottom left, at the bottom and at the bottom right.", "How many boats can you see?", "There are three boats."),
    "one": (CLOCK, "There is one clock at the top right.", "How many clocks are there?", "There is one clock."),
    "no": (TWO_LAMPS, "No, there is no bus in the photo.", "Is there a bus?", "No, there is no bus in the photo."),
    "yes": (KITE, "Yes, there is one kite at the top.", "Is there a kite in the photo?", "Yes, there is one kite at the top."),
    "where": (KITE, "The kite is at the top.", "Where is the kite?", "The kite is at the top."),
    "this": (CLOCK, "This is a clock at the top right.", "What is this?", "This is a clock."),
    "list": (TWO_LAMPS, "", "What is in the photo?", "The photo shows two lamps and one cat."),
}
WORKED = {
    "0 turns": [], "no yes two": ["no", "yes", "two"], "no yes one": ["no", "yes", "one"], "three no yes": ["three", "no", "yes"], "no three yes one": ["no", "three", "yes", "one"],
    "two no one yes": ["two", "no", "one", "yes"], "no three this yes one": ["no", "three", "this", "yes", "one"], "all": list(TURNS), "no three list yes one where": ["no", "three", "list", "yes", "one", "where"],
    "no yes": ["no", "yes"], "no three yes": ["no", "three", "yes"],
}


def fact_of(part):
    return "" if part["fact"] == part["list"] else part["fact"]


def user(form, photo, fact, question):
    if form == "list":
        return f"{photo} {question}"
    if form == "list fact":
        return f"{photo} {fact} {question}" if fact else f"{photo} {question}"
    if form == "fact":
        return f"{fact or photo} {question}"
    if form == "question fact":
        return f"{question}\n{fact or photo}"
    if form == "labels":
        return f"Facts: {fact or photo}\nQuestion: {question}\nAnswer:"
    if form == "labels both":
        return f"Photo: {photo}\nFact: {fact or photo}\nQuestion: {question}"
    if form == "question between":
        return f"{photo}\n{question}\n{fact or photo}"
    if form == "told":
        return f"{fact or photo}\n\nAnswer this question in one sentence with what you were just told: {question}"
    raise ValueError(form)


variants = {"ours": ("ours", ours["system"], [])}  # exactly what `descry ask` sends
for form in ("list", "list fact", "fact", "question fact", "labels", "labels both", "question between", "told"):
    for system in (None, "short"):
        for worked in WORKED:
            variants[f"{form}, {'system' if system else 'no system'}, {worked}"] = (form, SHORT if system else None, WORKED[worked])


def render(messages):
    text = "" if messages[0][0] == "system" else "<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n"
    return text + "".join(f"<|im_start|>{role}\n{content}<|im_end|>\n" for role, content in messages) + "<|im_start|>assistant\n"


def right(pair, answer):
    fits = lambda patterns: any(re.search(p, answer.strip(), re.I | re.S) for p in patterns)
    return fits(pair["accept"]) and not fits(pair.get("reject", []))


for name, (form, system, worked) in variants.items():
    if wanted and not any(name == w or (w.endswith('*') and name.startswith(w[:-1])) for w in wanted):
        continue
    score, kinds, answers = 0, {}, []
    for pair, part in zip(pairs, parts):
        messages = [("system", system)] if system else []
        for prompt, answer in ours["turns"] if form == "ours" else []:
            messages += [("user", prompt), ("assistant", answer)]
        for photo, fact, question, answer in (TURNS[turn] for turn in worked):
            messages += [("user", user(form, photo, fact, question)), ("assistant", answer)]
        messages.append(("user", part["prompt"] if form == "ours" else user(form, part["list"], fact_of(part), part["question"])))
        ids = model.tokenize(render(messages).encode(), add_bos=False, special=True)
        out = model.create_completion(ids, max_tokens=32, temperature=0, stop=["<|im_end|>"])
        answer = out["choices"][0]["text"]
        good = right(pair, answer)
        score += good
        k = kinds.setdefault(pair["kind"], [0, 0])
        k[0] += good
        k[1] += 1
        answers.append((good, pair["file"], pair["question"], answer))
    print(f"{score:3d}/{len(pairs)}  {name}  " + " ".join(f"{k} {a}/{b}" for k, (a, b) in sorted(kinds.items())), flush=True)
    if wanted:
        for good, file, question, answer in answers:
            print("   ", "+" if good else "-", file, "|", question, "|", answer.strip().replace("\n", " / "))
