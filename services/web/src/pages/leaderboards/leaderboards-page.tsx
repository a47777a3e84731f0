import { Page } from '../../components/page.js';

/** Every leaderboard. */
export function LeaderboardsPage() {
  return <Page title="Leaderboards">{null}</Page>;
}
