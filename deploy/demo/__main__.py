"""`python -m deploy.demo [--keep | --down]`: exit code 0 only if every step held."""

import argparse
import subprocess
import sys
from collections.abc import Callable

from deploy.demo import cleanup
from deploy.demo.steps import PORT, Demo
from deploy.demo.story import Story
from deploy.demo.world import REGISTRY_PORT, ROOT, WEBHOOK_PORT, World, is_free


def main() -> int:
    """Run the story, or take it down."""
    parser = argparse.ArgumentParser(prog="make demo")
    parser.add_argument("--keep", action="store_true", help="leave everything running")
    parser.add_argument("--down", action="store_true", help="stop and remove what was left running")
    parser.add_argument("--engine", choices=("auto", "process"), default="auto")
    chosen = parser.parse_args()
    story = Story()
    folder = ROOT / ".demo"
    if chosen.down:
        cleanup.remove(folder)
        story.console.print("demo stopped and removed")
        return 0
    docker = chosen.engine == "auto" and _engine(story)
    cleanup.remove(folder)
    taken = [port for port in (REGISTRY_PORT, WEBHOOK_PORT, PORT) if not is_free(port)]
    if taken:
        story.console.print(f"[red]port {taken[0]} is in use; stop what listens there[/red]")
        return 1
    demo = Demo(World(folder, docker=docker), story, {}, [], [])
    held = _tell(demo)
    if held and chosen.keep:
        story.console.print(_address(demo), soft_wrap=True, highlight=False, markup=False)
    if held and not chosen.keep:
        story.console.print(
            "\nEvery step held. `make up` does the same and keeps it running to look at."
        )
    if not chosen.keep or not held:
        cleanup.remove(folder, keep_logs=not held)
    return 0 if held else 1


def _engine(story: Story) -> bool:
    """A Docker Engine with our images, or the embedded engine and a line that says so."""
    ready = subprocess.run([str(ROOT / "deploy" / "engine.sh")], check=False).returncode == 0
    if ready:
        subprocess.run([sys.executable, str(ROOT / "deploy" / "images.py")], check=True)
    else:
        story.console.print("[yellow]No Docker Engine can run here: using process:// instead.[/]")
    return ready


def _tell(demo: Demo) -> bool:
    story, world = demo.story, demo.world
    world.create()
    steps: list[tuple[str, Callable[[], None]]] = [
        ("Train three models", demo.train),
        ("Publish them as digits 1, 2, 3", demo.publish),
        ("Declare version 1 in Git and start the reconciler", demo.declare),
        ("The host converges: pulled, verified, tested, serving", demo.first),
        ("A commit moves to version 2, blue-green under load", demo.upgrade),
        ("A commit moves to version 3: refused before any traffic", demo.refuse),
        ("One bit of a stored model is flipped: the next host refuses it", demo.tamper),
        ("The runtime is killed by hand", demo.heal),
        ("Audit the whole log", demo.audit),
    ]
    try:
        for title, step in steps:
            with story.step(title):
                step()
    except Exception:  # noqa: BLE001  the step said what broke; here come the programs' own words
        for name in ("registry", "reconciler"):
            story.console.print(
                f"\n[dim]{name}.log ends with[/dim]\n{world.tail(name)}", markup=True
            )
    return story.summary(planned=len(steps))


def _address(demo: Demo) -> str:
    folder = demo.world.folder
    image = ",".join(f"{value:g}" for value in demo.images[0])
    return f"""
Look at   http://127.0.0.1:{REGISTRY_PORT}/
sign in   with the token in {folder}/registry/admin.token
change    {folder}/work/models.d/production/digits.yaml, commit, push
predict   curl -s http://127.0.0.1:{PORT}/v1/models/digits:predict \\
            -d '{{"instances": [[{image}]]}}'
end it    make down"""


sys.exit(main())
