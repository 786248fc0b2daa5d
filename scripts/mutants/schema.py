"""Many faults in one build: each stands in the sources beside what it replaces, behind `crate::fault::on(n)`."""

import tree_sitter
import tree_sitter_rust

PARSER = tree_sitter.Parser(tree_sitter.Language(tree_sitter_rust.language()))


def offset(text, place):
    """The byte of a line and column, which count characters from 1."""
    lines = text.split("\n")
    before = "\n".join(lines[: place["line"] - 1]) + ("\n" if place["line"] > 1 else "")
    return len((before + lines[place["line"] - 1][: place["column"] - 1]).encode())


def edit(source, tree, mutant, number):
    """(from, to, replacement) in bytes, or None: not of a kind that can stand in the same build."""
    text, span = source.decode(), mutant["span"]
    begin, end = offset(text, span["start"]), offset(text, span["end"])
    new, on = mutant["replacement"], f"crate::fault::on({number})"
    old = source[begin:end].decode()
    if mutant["genre"] == "FnValue":
        # The body between its braces, or with them.
        at = begin + 1 if old.startswith("{") and old.endswith("}") and body(tree, begin, end) else begin
        return at, at, f" if {on} {{ return {new}; }} "
    node = tree.root_node.descendant_for_byte_range(begin, end)
    if mutant["genre"] == "BinaryOperator":
        whole = node.parent
        if whole is None or whole.type not in ("binary_expression", "compound_assignment_expr"):
            return None
        left, right = whole.child_by_field_name("left"), whole.child_by_field_name("right")
        if "let_condition" in (left.type, right.type):
            return None
        l, r = left.text.decode(), right.text.decode()
        both = f"if {on} {{ {l} {new} {r} }} else {{ {l} {old} {r} }}"
        return whole.start_byte, whole.end_byte, both if whole.type.startswith("comp") else f"({both})"
    if mutant["genre"] == "UnaryOperator":
        whole = node.parent if node.type != "unary_expression" else node
        if whole is None or whole.type != "unary_expression":
            return None
        t = whole.text.decode()
        return whole.start_byte, whole.end_byte, f"(if {on} {{ {t[1:]} }} else {{ {t} }})"
    if mutant["genre"] == "MatchArm":
        while node is not None and node.type != "match_arm":
            node = node.parent
        pattern = node and node.child_by_field_name("pattern")
        if pattern is None:
            return None
        guard = pattern.child_by_field_name("condition")
        if guard is None:
            return pattern.end_byte, pattern.end_byte, f" if !{on}"
        return guard.start_byte, guard.end_byte, f"({guard.text.decode()}) && !{on}"
    if mutant["genre"] == "MatchArmGuard":
        return begin, end, f"(if {on} {{ {new} }} else {{ {old} }})"
    return None


def body(tree, begin, end):
    node = tree.root_node.descendant_for_byte_range(begin, end)
    return node.type == "block" and (node.start_byte, node.end_byte) == (begin, end)


def put(path, mutants):
    """Puts those of {number: mutant} into a file that can stand there together; returns their numbers."""
    with open(path, "rb") as f:
        source = f.read()
    tree, taken = PARSER.parse(source), []
    for number, mutant in mutants.items():
        change = edit(source, tree, mutant, number)
        if change and not any(change[0] < e and b < change[1] for b, e, _, _ in taken):
            taken.append((*change, number))
    for begin, end, new, _ in sorted(taken, reverse=True):
        source = source[:begin] + new.encode() + source[end:]
    with open(path, "wb") as f:
        f.write(source)
    return [number for *_, number in taken]
