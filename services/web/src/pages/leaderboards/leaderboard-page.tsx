import { Page } from '../../components/page.js';

/** One leaderboard. */
export function LeaderboardPage() {
  return <Page title="Leaderboard">{null}</Page>;
}
