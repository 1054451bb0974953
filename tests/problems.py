"""What a reader of data sets noted."""


def sentences(source) -> list[str]:
    return [f"{problem.source}: {problem.sentence}" for problem in source.problems]


def noted(source, *words: str) -> bool:
    return any(all(word in sentence for word in words) for sentence in sentences(source))
