"""The tests of the conformance suite. Each names the statements of the specification that it proves."""
