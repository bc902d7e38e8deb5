"""The summary run of a sweep: the table of its trials, and pictures of what they were like."""

from typing import TYPE_CHECKING, Any

from mlflow import MlflowClient

from zoo.data import Dataset
from zoo.tracking import prepare_store, start_run
from zoo.tracking.lifecycle import get_experiment
from zoo.training.schema import RecipeConfig
from zoo.training.search_space import Range
from zoo.training.study import markdown
from zoo.training.sweep_pictures import draw_curves, draw_importance, draw_settings
from zoo.training.sweep_study import REUSED, Plan, SweepResult, completed, ended

if TYPE_CHECKING:
    import optuna

MIN_TRIALS = 4  # to say which settings matter


def summarize(
    plan: Plan, study: "optuna.Study", config: RecipeConfig, dataset: Dataset
) -> SweepResult:
    """Writes the summary run, or renews that of an earlier call.

    Args:
        plan: The sweep.
        study: Its study.
        config: The configuration that the trials share.
        dataset: The data.

    Returns:
        A `SweepResult`.

    Raises:
        RuntimeError: if no trial succeeded.
    """
    done, over = completed(study), ended(study)
    if not done:
        errors = {it.user_attrs["error"] for it in over if "error" in it.user_attrs}
        raise RuntimeError(
            "No trial of the sweep was trained to its end: see the lines above. "
            f"Received: {len(over)} trials{', ' if errors else ''}{'; '.join(sorted(errors))[:500]}"
        )
    metric = f"dev/{config.evaluation.metric}"
    others = [trial for trial in over if trial not in done]
    rows = [_row(trial, metric) for trial in [*done, *others]]
    columns = {key: [row.get(key) for row in rows] for key in rows[0]}
    best = [f"{key}={value}" for key, value in _values(plan, done[0]).items()]
    experiment = config.tracking.experiment or plan.spec.name
    tags = {"sweep": plan.name, "summary": "true", "recipe": plan.label, "task": dataset.task}
    tags |= {"trials": str(len(over)), "best": " ".join(best), "command": plan.command(best)}
    with start_run(
        experiment,
        f"sweep {plan.name}",
        config=config.model_dump(),
        tags=tags,
        dataset=dataset,
        resume=_earlier(experiment, plan.name),
    ) as run:
        run.log_tags(tags)
        text = markdown({key: [_plain(it) for it in values] for key, values in columns.items()})
        run.log_table(columns, "sweep.json")
        run.log_text(text, "sweep.md")
        run.log_metrics({metric: done[0].value}, len(over))
        curves = {it.number: list(it.intermediate_values.items()) for it in over}
        best_first = [it.number for it in done]
        run.log_figure(draw_curves(curves, best_first, metric), "sweep/curves.png")
        run.log_figure(draw_settings(plan.space, done, metric), "sweep/settings.png")
        if shares := _importance(study, done):
            run.log_figure(draw_importance(shares, metric), "sweep/importance.png")
    return SweepResult(plan, run.id, run.url(), metric, columns, best, rows[0][metric])


def _row(trial, metric: str) -> dict[str, Any]:
    """The row of a trial in the table of trials."""
    state, told = trial.state.name.lower(), trial.user_attrs
    if REUSED in told:
        state = f"same as {told[REUSED] + 1}"
    elif "error" in told:
        state = f"failed: {told['error']}"
    seconds = trial.duration.total_seconds() if trial.duration else 0.0
    return {
        "trial": trial.number + 1,
        metric: trial.value if state != "pruned" else None,
        **trial.params,
        "state": state,
        "epochs": len(trial.intermediate_values),
        "seconds": round(seconds),
        "run": told.get("run_id", ""),
    }


def _importance(study, done) -> dict[str, float]:
    """The share of the variance of the metric by setting; `{}` if there are too few trials."""
    import optuna

    if len(done) < MIN_TRIALS or len({it.value for it in done}) == 1:
        return {}
    shares = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    return {key: float(share) for key, share in shares.items()}


def _earlier(experiment: str, sweep: str) -> str | None:
    """The summary run of an earlier call, or `None`."""
    client = MlflowClient(prepare_store())
    found = client.search_runs(
        [get_experiment(client, experiment).experiment_id],
        f"tags.sweep = '{sweep}' and tags.summary = 'true'",
        max_results=1,
    )
    return found[0].info.run_id if found else None


def _values(plan: Plan, trial) -> dict[str, str]:
    """The values of a trial as they were given to the recipe."""
    digits = {it.key for it in plan.space if isinstance(it, Range) and not it.is_integer}
    return {
        key: f"{value:.4g}" if key in digits else str(value) for key, value in trial.params.items()
    }


def _plain(value) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)
