"""The dialogue of `alphago play`: reads a vertex or a command, answers, and lets the bot move."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alphago.commands.play_game import BadGame, Game
from alphago.commands.play_view import View, side
from alphago.errors import AlphaGoError
from alphago.go import BadCoordinate, IllegalMove, action_to_gtp, color_name, gtp_to_action
from alphago.messages import did_you_mean
from alphago.search.bot import Bot
from alphago.search.levels import LEVELS
from alphago.search.status import ownership, status

HELP: Final = """\
D4           play there: letter, then number; the letter I is left out
pass         pass; when both sides pass, the game is over and counted
resign       give the game up
undo         take back your last move and the bot's answer
hint         what the strongest level would play, with your winning chances
score        who is ahead, and whose each point seems to be
board        show the board again
level NAME   another strength from now on; level alone lists them
save FILE    write the game as SGF (save! FILE overwrites)
help         this list
quit         leave, as Ctrl-D and Ctrl-C do"""

HINTS: Final = 5
HINT_SECONDS: Final = 2.0
_LINE_LENGTH: Final = 6


class _Leave(Exception):
    """The player wants to leave."""


class Table:
    """A human, a bot and a board.

    Args:
        game: may have moves already.
        bot: of a level; this class closes it.
        seconds: the bot's time for a move; None: the level's.
        keep: SGF file that always holds the game so far; None: none.
    """

    def __init__(
        self, game: Game, bot: Bot, view: View, *, seconds: float | None = None, keep: Path | None = None
    ) -> None:
        self.game, self.bot, self.view = game, bot, view
        self._seconds, self._keep = seconds, keep
        self._adviser: Bot | None = None
        self._dead: NDArray[np.bool_] | None = None
        self._announced = False
        self._saved = 0  # moves in the file that was written last
        self._commands: dict[str, Callable[[str], None]] = {
            "pass": lambda _: self._play(self.game.board.size**2),
            "resign": self._resign,
            "undo": self._undo,
            "hint": self._hint,
            "score": self._score,
            "board": lambda _: self.view.board(self.game.board, self._dead),
            "level": self._level,
            "save": self._save,
            "save!": self._save_anyway,
            "help": lambda _: self.view.say(HELP),
            "quit": self._quit,
            "exit": self._quit,
        }

    def run(self) -> int:
        """Play until the human leaves. Returns the exit status: 0, or 130 after Ctrl-C."""
        board = self.game.board
        self.view.say(f"You are {color_name(self.game.human)}. The bot: {self.bot.describe()}.")
        self.view.say(
            f"{board.size}x{board.size}, rules {board.rules.name or 'custom'}. Type help for what you can do."
        )
        try:
            self.bot.new_game(self.game.board.copy())
            self.view.board(self.game.board)
            self._written()
            while True:
                self._bots_turn()
                self._announce_end()
                self._obey(self._ask())
        except _Leave:
            return 0
        except EOFError:
            self.view.say("")
            self._save_on_leaving()
            return 0
        except KeyboardInterrupt:
            self.bot.stop()
            self.view.say("")
            self._save_on_leaving()
            return 130

    def close(self) -> None:
        """Stop the bots."""
        self.bot.close()
        if self._adviser is not None:
            self._adviser.close()

    # --- the dialogue -----------------------------------------------------------------------------------------------------

    def _ask(self) -> str:
        game = self.game
        prompt = "game over> " if game.is_over else f"{side(game.board)} (you)> "
        if not sys.stdin.isatty():
            self.view.say(prompt)  # nobody's Enter ends the line
            prompt = ""
        return input(prompt).strip()

    def _obey(self, text: str) -> None:
        word, _, rest = text.partition(" ")
        if not word:
            return
        try:
            action = self._commands.get(word.lower())
            if action is not None:
                action(rest.strip())
            elif not word[:1].isalpha() or (len(word) > 1 and word[1:].isdigit()):
                self._play(gtp_to_action(text, self.game.board.size))
            else:
                known = did_you_mean(word.lower(), self._commands)
                self.view.say(f"unknown command {word[:40]!r}{known}; type a point such as D4, or help")
        except IllegalMove as error:
            self.view.say(str(error))
        except BadCoordinate as error:
            self.view.say(f"{str(error)[:200]}; help lists the commands")
        except AlphaGoError as error:
            self.view.say(str(error)[:400])

    def _play(self, action: int) -> None:
        if self.game.is_over:
            self.view.say("the game is over; undo takes your last move back, quit leaves")
            return
        self.game.board.play(action)
        self.bot.play(action)
        self._written()
        if action != self.game.board.size**2:
            self.view.board(self.game.board)

    def _bots_turn(self) -> None:
        game = self.game
        while not game.is_over and game.board.to_play != game.human:
            choice = self.bot.choose(seconds=self._seconds)
            if choice.action < 0:
                game.resigned = game.board.to_play
                return
            game.board.play(choice.action)
            self.bot.play(choice.action)
            self._written()
            self.view.board(game.board)
            self.view.say(f"the bot plays {action_to_gtp(choice.action, game.board.size)}")

    def _announce_end(self) -> None:
        game = self.game
        if not game.is_over or self._announced:
            return
        self._announced = True
        if game.resigned:
            who = "you resign" if game.resigned == game.human else "the bot resigns"
        else:
            who = "both have passed"
            found = status(game.board)
            self._dead = found.dead_mask(game.board.size)
            self.view.board(game.board, self._dead)
            if found.dead:
                chains = [" ".join(action_to_gtp(a, game.board.size) for a in chain) for chain in found.dead]
                self.view.say(f"dead stones: {', '.join(chains)}")
            else:
                self.view.say("dead stones: none")
        self._written()
        self.view.say(f"{who}: {game.result(self._dead)} ({self._winner()})")
        self.view.say("undo goes on with the game, save FILE keeps it, quit leaves")

    def _winner(self) -> str:
        result = self.game.result(self._dead)
        if result == "0":
            return "a draw"
        winner = 1 if result[0] == "B" else 2
        return "you win" if winner == self.game.human else "the bot wins"

    # --- commands ---------------------------------------------------------------------------------------------------------

    def _resign(self, _: str) -> None:
        if self.game.is_over:
            self.view.say("the game is over already")
            return
        self.game.resigned = self.game.human

    def _undo(self, _: str) -> None:
        resigned = self.game.resigned
        undone = self.game.take_back()
        self._dead, self._announced = None, False
        if not undone and not resigned:
            self.view.say("nothing to take back: you have not moved yet")
            return
        self.bot.new_game(self.game.board.copy())
        self._written()
        self.view.board(self.game.board)

    def _hint(self, _: str) -> None:
        board = self.game.board
        if self.game.is_over:
            self.view.say("the game is over")
            return
        if self._adviser is None:
            # Never the level that is played against: a beginner's advice would be worth as much.
            self._adviser = Bot(
                "max",
                self.bot.net,
                threads=self.bot.threads,
                memory_mib=256,
                resign=False,
                rollout_weights=self.bot.rollout_weights,
                style=self.bot.style,
                value_net=self.bot.value_net,
            )
        self._adviser.new_game(board.copy())
        report = self._adviser.choose(seconds=self._seconds or HINT_SECONDS).report
        if report is None:
            self.view.say("pass: the game is won")
            return
        rows = [["move", "winning chance", "visits", "expected"]]
        for i in np.argsort(-report.visit_counts.astype(np.int64), kind="stable")[:HINTS].tolist():
            if not report.visit_counts[i]:
                break
            action = int(report.actions[i])
            line = self._adviser.line(action, _LINE_LENGTH)[1:]
            rows.append(
                [
                    action_to_gtp(action, board.size),
                    f"{(report.q[i] + 1) / 2:.1%}",
                    str(int(report.visit_counts[i])),
                    " ".join(action_to_gtp(a, board.size) for a in line),
                ]
            )
        self.view.table(rows)

    def _score(self, _: str) -> None:
        board = self.game.board
        owner = ownership(board)
        found = status(board)
        self.view.board(board, found.dead_mask(board.size), owner)
        lead = float(owner.sum()) - board.komi - board.white_bonus
        ahead = "black" if lead > 0 else "white"
        self.view.say(f"estimate from playouts: {ahead} is ahead by about {abs(lead):.1f} points, komi counted")

    def _level(self, name: str) -> None:
        if not name:
            rows = [["", level.name, level.description] for level in LEVELS.values()]
            for row in rows:
                row[0] = "*" if row[1] == self.bot.level.name else ""
            self.view.table(rows)
            return
        self.bot = self.bot.with_level(name.lower())
        self.bot.new_game(self.game.board.copy())
        self.view.say(f"The bot: {self.bot.describe()}.")

    def _save(self, name: str, *, overwrite: bool = False) -> None:
        if not name:
            self.view.say("save needs a file: save game.sgf")
            return
        try:
            path = Path(name).expanduser()
        except RuntimeError as error:  # ~nobody
            raise BadGame(f"cannot write {name}: {error}") from None
        self.game.save(path, self._bot_name(), self._dead, overwrite=overwrite)
        self._saved = self.game.board.move_count
        self.view.say(f"saved: {path}")

    def _save_anyway(self, name: str) -> None:
        self._save(name, overwrite=True)

    def _quit(self, _: str) -> None:
        raise _Leave

    # --- files ------------------------------------------------------------------------------------------------------------

    def _bot_name(self) -> str:
        return f"alphago {self.bot.level.name}"

    def _written(self) -> None:
        """Keep the game in the file of --save."""
        if self._keep is not None:
            try:
                self.game.save(self._keep, self._bot_name(), self._dead, overwrite=True)
            except BadGame as error:
                self.view.say(f"{error}; the game is not kept any more")
                self._keep = None

    def _save_on_leaving(self) -> None:
        """After Ctrl-C or Ctrl-D at a terminal: offer to save what no file holds yet."""
        unsaved = self.game.board.move_count != self._saved and self._keep is None
        if not unsaved or not sys.stdin.isatty():
            return
        with contextlib.suppress(EOFError, KeyboardInterrupt):
            name = input("save the game? file name, or Enter to leave without> ").strip()
            if name:
                try:
                    self._save(name)
                except BadGame as error:
                    self.view.say(str(error))
        self.view.say("")
