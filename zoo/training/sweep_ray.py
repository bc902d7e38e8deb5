"""The trials of a sweep on the machines of a Ray cluster.

A task trains one trial on any machine; an actor on the machine of the command holds the study, and
answers each metric that is reported. These are plain tasks, not Ray Tune, which has a searcher, a
scheduler and files of results of its own: a sweep would be searched, pruned and resumed
differently with `--ray` than with `--workers`, and could not go on with the other.

Ray is imported when the cluster is entered.
"""

import os
import signal
import socket
import sys
from collections.abc import Iterable
from contextlib import redirect_stdout
from dataclasses import dataclass, field

import zoo
from zoo.home import home
from zoo.tracking.signals import termination_raises
from zoo.tracking_store import (
    StoreError,
    is_server,
    prepare_store,
    tracking_uri,
    without_passwords,
)
from zoo.training import runner
from zoo.training.display import Display
from zoo.training.ray_cluster import Machine, connect, first_line, share, sigterm_kept
from zoo.training.schema import RecipeConfig
from zoo.training.sweep_study import Plan
from zoo.training.sweep_trials import Outcome, Trial, Trials, train, use_cores

MACHINE_SECONDS, REPORT_SECONDS, STOP_SECONDS = 180, 60, 30


@dataclass(frozen=True)
class Environment:
    """The environment variables by which a trial finds backend, tracking store and folders.

    They travel as an argument, because Ray shows those of a `runtime_env` to all its users.

    Attributes:
        host: The name of this machine.
        folder: The current folder there.
        everywhere: Variables of all machines.
        here: Variables of this machine alone.
    """

    host: str
    folder: str
    everywhere: dict[str, str] = field(repr=False)
    here: dict[str, str]

    @classmethod
    def current(cls) -> "Environment":
        """That of this process."""
        names = [name for name in os.environ if name.startswith("MLFLOW_")]
        names += ["KERAS_BACKEND"] if "KERAS_BACKEND" in os.environ else []
        everywhere = {name: os.environ[name] for name in names}
        everywhere["MLFLOW_TRACKING_URI"] = tracking_uri()
        here = {"ZOO_HOME": str(home())}
        if data := os.environ.get("ZOO_DATA"):
            here["ZOO_DATA"] = os.path.abspath(data)
        return cls(socket.gethostname(), os.getcwd(), everywhere, here)

    def set(self) -> None:
        """Sets them in this process, before Keras and MLflow are imported."""
        os.environ.update(self.everywhere)
        if socket.gethostname() == self.host:
            os.environ.update(self.here)
            os.chdir(self.folder)


class Cluster:
    """A Ray cluster on which the trials of a sweep are trained; a context manager.

    Args:
        address: `"HOST:PORT"`, `"auto"` or `"local"`.
        workers: Number of trials at a time, or `None`.
    """

    def __init__(self, address: str, workers: int | None):
        self.address, self._wanted = address, workers

    def __enter__(self) -> "Cluster":
        import ray

        self._ray = ray
        connect(self.address)
        try:
            self.machines = [
                Machine(
                    node["NodeID"],
                    node["NodeManagerHostname"],
                    int(node["Resources"].get("CPU", 0)),
                    int(node["Resources"].get("GPU", 0)),
                )
                for node in ray.nodes()
                if node["Alive"]
            ]
            self.workers, self.cores, self.gpus = share(self.machines, self._wanted)
            if not self.workers:
                raise ConnectionError(
                    "The machines of the cluster have no cores: start Ray without --num-cpus=0. "
                    f"Received: --ray {self.address}"
                )
            check_store(self.machines)
            self._check_machines()
        except BaseException:
            ray.shutdown()
            raise
        self._say_what_it_has()
        return self

    def __exit__(self, *error) -> None:
        self._ray.shutdown()

    def run(self, plan: Plan, config: RecipeConfig) -> None:
        """Runs trials until the sweep has as many as it should have.

        A trial whose process or machine dies is tried again.

        Args:
            plan: The sweep.
            config: The configuration that the trials share.
        """
        ray, environment = self._ray, Environment.current()
        node = ray.get_runtime_context().get_node_id()
        host = (
            ray.remote(_Host)
            .options(num_cpus=0, scheduling_strategy=self._on(node))
            .remote(environment, plan, config)
        )
        task = ray.remote(_train).options(
            num_cpus=self.cores, num_gpus=self.gpus, max_retries=0, name="trial"
        )
        running: dict = {}  # trials by task
        with redirect_stdout(sys.stderr):  # where Ray itself would report a process that died
            try:
                while True:
                    while len(running) < self.workers and (trial := self._get(host.next.remote())):
                        running[task.remote(environment, plan, trial, host, self.cores)] = trial
                    self._show(host)
                    if not running:
                        return
                    done, _ = ray.wait(list(running), timeout=1)
                    self._show(host)
                    for it in done:
                        self._tell(host, running.pop(it).number, it)
            finally:
                self._stop(running, host)

    def _tell(self, host, number, task) -> None:
        try:
            outcome = self._get(task)
        except self._ray.exceptions.RayError as error:  # its process or machine
            self._get(host.lose.remote(number, first_line(error)))
        else:
            self._get(host.tell.remote(number, outcome))

    def _get(self, reference):
        """A result; raises the exception of the process that computed it."""
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.TaskCancelledError:
            raise
        except self._ray.exceptions.RayTaskError as error:
            raise error.cause from None

    def _show(self, host) -> None:
        for line in self._get(host.take_lines.remote()):
            Display(bar=False).say(line)

    def _stop(self, tasks, host) -> None:
        """Interrupts trials, and waits until they have saved their checkpoints."""
        for task in tasks:
            self._ray.cancel(task)
        if tasks:
            self._ray.wait(list(tasks), num_returns=len(tasks), timeout=STOP_SECONDS)
        try:
            self._show(host)
        except self._ray.exceptions.RayError:  # the machine of the host itself is going away
            return

    def _on(self, node):
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        return NodeAffinitySchedulingStrategy(node, soft=False)

    def _check_machines(self) -> None:
        """Raises an error that names the machines that cannot train or cannot track."""
        ray, environment = self._ray, Environment.current()
        probe = ray.remote(_probe)
        asked = {}
        for one in self.machines:
            there = self._on(one.node)
            task = probe.options(num_cpus=0, max_retries=0, scheduling_strategy=there)
            asked[task.remote(environment)] = one
        done, late = ray.wait(list(asked), num_returns=len(asked), timeout=MACHINE_SECONDS)
        mistakes = [f"{asked[it].name}: no answer in {MACHINE_SECONDS} s" for it in late]
        for it in done:
            try:
                if (version := ray.get(it)) != zoo.__version__:
                    mistakes.append(f"{asked[it].name}: it has seqzoo {version}")
            except ray.exceptions.RayError as error:
                mistakes.append(f"{asked[it].name}: {first_line(getattr(error, 'cause', error))}")
        if mistakes:
            raise ConnectionError(
                "Each machine of the cluster must have the same seqzoo, and reach the tracking "
                f"server. {'; '.join(mistakes)}. Received: --ray {self.address}, seqzoo "
                f"{zoo.__version__}, MLFLOW_TRACKING_URI={without_passwords(tracking_uri())}"
            )

    def _say_what_it_has(self) -> None:
        names = ", ".join(dict.fromkeys(one.name for one in self.machines))
        each = f"{self.cores} core{'s' * (self.cores > 1)}{' and a GPU' * self.gpus}"
        trials = f"{self.workers} trial{'s' * (self.workers > 1)}"
        say = Display(bar=False).say
        say(f"ray {self.address}: {trials} at a time with {each} each, on {names}")
        free = self._ray.available_resources()
        if free.get("CPU", 0) < self.cores or free.get("GPU", 0) < self.gpus:
            say("ray: the cluster is busy, and trials wait for free cores; `ray status` shows it")


class _Host(Trials):
    """The study of a sweep, and the lines of its trials, in an actor.

    Args:
        environment: That of the command.
        plan: The sweep.
        config: The configuration that the trials share.
    """

    def __init__(self, environment: Environment, plan: Plan, config: RecipeConfig):
        environment.set()
        self._lines: list[str] = []
        super().__init__(plan, config, say=self._lines.append)

    def add_line(self, line: str) -> None:
        self._lines.append(line)

    def take_lines(self) -> list[str]:
        lines = list(self._lines)
        self._lines.clear()
        return lines


class _Lines(Display):
    """Sends the lines of a trial to the machine of the command."""

    def __init__(self, host, prefix: str):
        super().__init__(bar=False, prefix=prefix)
        self._host = host

    def say(self, line: str) -> None:
        self._host.add_line.remote(f"{self.prefix}{line}")


def check_store(machines: Iterable[Machine]) -> None:
    """Raises a `StoreError` if other machines would have to write a file of this one."""
    others = [one.name for one in machines if not one.is_this_one]
    if others and not is_server(uri := tracking_uri()):
        raise StoreError(
            "Trials on other machines need a tracking server: a database keeps the files of runs "
            "in a folder of this machine. Set MLFLOW_TRACKING_URI to a server that all machines "
            "reach (mlflow/README.md), or use --ray local. Received: "
            f"MLFLOW_TRACKING_URI={without_passwords(uri)}, machines {', '.join(others)}"
        )


# On the machines of the cluster


def _probe(environment: Environment) -> str:
    """The version of the zoo on this machine, once the tracking store has answered."""
    environment.set()
    prepare_store()
    return zoo.__version__


def _train(environment: Environment, plan: Plan, trial: Trial, host, cores: int) -> Outcome:
    """Trains a trial on so many cores."""
    environment.set()
    use_cores(cores)
    import ray

    def report(number, values):
        try:
            return ray.get(host.report.remote(number, values), timeout=REPORT_SECONDS)
        except ray.exceptions.RayError as error:
            raise StoreError(f"The sweep itself no longer answers: {first_line(error)}") from error

    with sigterm_kept():
        signal.signal(signal.SIGTERM, signal.SIG_DFL)  # in place of the handler of Ray's workers
        with termination_raises():
            try:
                dataset, _ = runner.load_data(trial.config, plan.label)
            except (OSError, ValueError) as error:
                raise RuntimeError(f"On the machine {socket.gethostname()}: {error}") from error
            return train(plan, trial, dataset, report, _Lines(host, trial.prefix))
