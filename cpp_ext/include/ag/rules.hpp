/// The rules that the engine knows how to apply. Named rulesets live in alphago/go/rules.py, as one table of these.
#pragma once

namespace ag {

enum class KoRule : int { kSimple = 0, kPositional = 1, kSituational = 2 };
enum class Scoring : int { kArea = 0, kTerritory = 1, kStones = 2 };

struct Rules {
  KoRule ko = KoRule::kPositional;
  bool suicide = true;  ///< multi-stone suicide; a single-stone suicide is never legal
  Scoring scoring = Scoring::kArea;
  bool pass_stones = false;   ///< a pass hands the opponent a prisoner (AGA)
  double komi = 7.5;          ///< points for white
  double white_bonus = 0.0;   ///< further points for white in a handicap game
};

}  // namespace ag
