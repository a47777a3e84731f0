import { Page } from '../../components/page.js';

/** What is here and what to do next. */
export function HomePage() {
  return <Page title="Home">{null}</Page>;
}
