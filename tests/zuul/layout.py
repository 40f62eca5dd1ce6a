# Copyright the nova-dirsvc-plugin authors
# SPDX-License-Identifier: Apache-2.0
"""zuul.d as Zuul reads it, and what a job comes to along its parents."""

import dataclasses
import functools
import pathlib
import types
from collections.abc import Iterator, Mapping
from typing import Any

from zuul import configloader, model

from tests.zuul import foreign

ROOT = pathlib.Path(__file__).parents[2]
REPOSITORY = "nova_dirsvc_plugin"
PREFIX = "nova-dirsvc-plugin-"
PROJECT = f"openstack/{REPOSITORY}"
CANONICAL_NAME = f"opendev.org/{PROJECT}"


class Refused(Exception):
    """Zuul would report this as a configuration error."""


@dataclasses.dataclass
class Layout:
    """The configuration of this repository.

    :ivar jobs: name -> job
    """

    jobs: dict[str, model.Job] = dataclasses.field(default_factory=dict)
    projects: list[model.ProjectConfig] = dataclasses.field(
        default_factory=list
    )

    def pipelines(self) -> Iterator[tuple[str, model.ProjectPipelineConfig]]:
        for project in self.projects:
            yield from project.pipelines.items()

    def jobs_in(self, pipeline: str) -> set[str]:
        """Name the jobs of a pipeline, less those of templates."""
        return {
            name
            for found, config in self.pipelines()
            if found == pipeline
            for name in config.job_list.jobs
        }

    def line(self, name: str) -> list[model.Job]:
        """Return a job and its ancestors of ours, the oldest first."""
        line = []
        while name in self.jobs:
            line.insert(0, self.jobs[name])
            name = self.jobs[name].parent
        return line

    def origin(self, name: str) -> str:
        """Name the first ancestor that is not ours."""
        line = self.line(name)
        return line[0].parent if line else name

    def variables(self, name: str) -> Mapping[str, Any]:
        """Return a job's variables as Zuul merges them."""
        merged: Mapping[str, Any] = foreign.JOBS[self.origin(name)]
        for job in self.line(name):
            merged = model.Job._deepUpdate(merged, job.variables)
        return merged

    def group_variables(self, name: str, group: str) -> Mapping[str, Any]:
        """Return what a job has for the nodes of a group, in place of that."""
        merged: Mapping[str, Any] = {}
        for job in self.line(name):
            merged = model.Job._deepUpdate(
                merged, job.group_variables.get(group, {})
            )
        return merged

    def nodeset(self, name: str) -> str | None:
        """Name the nodeset of a job, if one of ours has chosen it."""
        for job in reversed(self.line(name)):
            if job._get("nodeset"):
                return str(job._get("nodeset"))
        return None

    def required_projects(self, name: str) -> set[str]:
        return {
            project
            for job in self.line(name)
            for project in job.required_projects
        }

    def playbooks(self, name: str) -> list[str]:
        """Name the playbooks of ours that a job runs."""
        return [
            playbook.path
            for job in self.line(name)
            for playbook in (*job.pre_run, *job.run, *job.post_run)
        ]

    def runs_on_change_of(self, name: str, *files: str) -> bool:
        """Tell whether a change of these files starts a job."""
        change = types.SimpleNamespace(files=[*files, "/COMMIT_MSG"])
        effective = model.Job(name)
        for job in self.line(name):
            for matcher in ("file_matcher", "irrelevant_file_matcher"):
                if job._get(matcher) is not None:
                    setattr(effective, matcher, job._get(matcher))
        return effective.changeMatchesFiles(change)


@functools.cache
def ours() -> Layout:
    """Read zuul.d."""
    layout = Layout()
    for path in sorted((ROOT / "zuul.d").glob("*.yaml")):
        read(path.read_text(), path.name, layout)
    return layout


def read(text: str, name: str, layout: Layout) -> None:
    """Add a file to a layout.

    :raises Refused: where Zuul would refuse it
    """
    context = model.SourceContext(
        CANONICAL_NAME, PROJECT, "gerrit", "main", f"zuul.d/{name}"
    )
    no_pipelines = types.SimpleNamespace(connections={})
    parser = configloader.ParseContext(no_pipelines, None, None, None)
    try:
        for stanza in configloader.safe_load_yaml(text, context):
            _add(stanza, parser, layout)
    except Exception as error:
        raise Refused(f"{name}: {error}") from error
    if parser.error_list:
        raise Refused(f"{name}: {parser.error_list}")


def _add(
    stanza: dict[str, Any],
    parser: configloader.ParseContext,
    layout: Layout,
) -> None:
    ((kind, conf),) = stanza.items()
    if kind == "job":
        job = parser.job_parser.fromYaml(conf)
        if job.name in layout.jobs:
            raise Refused(f"{job.name} is defined twice")
        layout.jobs[job.name] = job
    elif kind == "project":
        layout.projects.append(parser.project_parser.fromYaml(conf))
    else:
        raise Refused(f"a {kind}: teach tests/zuul to read it")
