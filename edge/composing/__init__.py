"""The parts of a worker's edge, each put together by constructor calls."""
