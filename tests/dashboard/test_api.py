"""The JSON API: what its OpenAPI document promises, it does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from openapi_spec_validator import validate

from dashboard.network import fill
from dashboard.reports import history, places, report, result
from dashboard.servers import Server, serving
from psij_like.dashboard.database import Database
from psij_like.dashboard.migrating import migrate

FILTERS = {"institution", "executor", "version", "outcome", "since", "until", "page"}


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    url = f"sqlite:///{tmp_path_factory.mktemp('network')}/dashboard.sqlite"
    database = Database(url)
    migrate(database)
    fill(database, places(30), 10)
    database.close()
    with serving(url) as running:
        yield running


@pytest.fixture(scope="module")
def document(network: Server) -> dict[str, Any]:
    told: dict[str, Any] = network.json("/openapi.json")
    return told


def complaints(document: dict[str, Any], path: str, method: str, code: int, data: object) -> list[str]:
    """What is wrong with an answer, by the document."""
    schema = document["paths"][path][method]["responses"][str(code)]["content"]["application/json"]["schema"]
    whole = {**schema, "components": document["components"]}
    return [error.message for error in jsonschema.Draft202012Validator(whole).iter_errors(data)]


def test_the_document_is_one(document: dict[str, Any]) -> None:
    validate(document)
    assert document["openapi"].startswith("3.1")
    assert document["paths"]["/api/v1/reports"]["post"]["security"] == [{"HTTPBearer": []}]
    assert set(document["paths"]) == {
        f"/api/v1/{path}"
        for path in ("reports", "sites", "runs", "sites/{site_id}/runs", "runs/{run_id}", "requirements", "flaky")
    }
    for path in ("sites", "runs", "requirements", "flaky"):
        parameters = document["paths"][f"/api/v1/{path}"]["get"]["parameters"]
        assert {parameter["name"] for parameter in parameters} == FILTERS


def test_the_document_describes_what_is_sent(document: dict[str, Any]) -> None:
    content = document["paths"]["/api/v1/reports"]["post"]["requestBody"]["content"]["application/json"]
    schema = {**content["schema"], "components": document["components"]}
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid(next(history(places(1)[0], 1)))
    assert not validator.is_valid(report(0, result(outcome="fine")))
    assert not validator.is_valid(report(capabilities={"executor": "x"}))


@pytest.mark.parametrize("path", ["/sites", "/runs", "/requirements", "/flaky"])
def test_lists_are_what_the_document_says(network: Server, document: dict[str, Any], path: str) -> None:
    for query in ("", "?executor=slurm&outcome=failed", "?page=2"):
        data = network.json(path + query)
        assert complaints(document, f"/api/v1{path}", "get", 200, data) == []
    assert network.json(path)["items"]
    refused = network.client.get(f"/api/v1{path}?page=0")
    assert refused.status_code == 422
    assert refused.json() == {"detail": "page: Input should be greater than or equal to 1, not '0'"}


def test_pages_of_a_list_follow_each_other(network: Server) -> None:
    seen: list[str] = []
    page: dict[str, Any] = {"more": True, "number": 0}
    while page["more"]:
        page = network.json(f"/runs?page={page['number'] + 1}")
        seen += [line["run_id"] for line in page["items"]]
    assert len(seen) == len(set(seen)) == 300


def test_a_run_is_told_whole(network: Server, document: dict[str, Any]) -> None:
    sent = list(history(places(30)[3], 10))[-1]
    data = network.json(f"/runs/{sent['run_id']}")
    assert complaints(document, "/api/v1/runs/{run_id}", "get", 200, data) == []
    assert data["report"] == sent
    assert (data["run"]["site"], data["run"]["executor"]) == ("site-003", "flux")
    of_site = network.json(f"/sites/{data['run']['site_id']}/runs")
    assert of_site["items"][0] == data["run"] and len(of_site["items"]) == 10


def test_refusals_are_what_the_document_says(network: Server, document: dict[str, Any]) -> None:
    token = network.token("New")
    for sent, with_token, code in (
        (report(), None, 401),
        (report(site={"name": "other"}), token, 403),
        (b" " * (17 * 1024 * 1024), token, 413),
        (b"{", token, 422),
        (report(), token, 201),
        (report(), token, 200),
        (report(0, result("x")), token, 409),
    ):
        answer = network.send(sent, with_token)
        assert answer.status_code == code
        assert complaints(document, "/api/v1/reports", "post", code, answer.json()) == []


def test_errors_are_json_here(network: Server) -> None:
    for method, path, code in (("GET", "/nowhere", 404), ("GET", "/reports", 405), ("GET", "/sites/99/runs", 404)):
        answer = network.client.request(method, f"/api/v1{path}")
        assert (answer.status_code, list(answer.json())) == (code, ["detail"])


def test_the_document_is_made_for_this_version(document: dict[str, Any]) -> None:
    from psij_like import __version__

    assert document["info"]["version"] == __version__
    assert "urn:" not in json.dumps(document["components"]["schemas"])
