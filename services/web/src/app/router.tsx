import { type RouteObject, createBrowserRouter } from 'react-router';
import { LoadingView } from '../components/states.js';
import { SignInPage } from '../pages/sign-in/sign-in-page.js';
import { ErrorPage, NotFoundPage } from './error-page.js';
import { SignedIn } from './session.js';

/** Every page and its address. A page's code is fetched when it is first gone to. */
const pages: RouteObject[] = [
  { index: true, lazy: async () => ({ Component: (await import('../pages/home/home-page.js')).HomePage }) },
  {
    path: 'predict',
    lazy: async () => ({ Component: (await import('../pages/predict/predict-page.js')).PredictPage }),
  },
  {
    path: 'predict/:id',
    lazy: async () => ({ Component: (await import('../pages/predict/prediction-page.js')).PredictionPage }),
  },
  {
    path: 'datasets',
    lazy: async () => ({ Component: (await import('../pages/datasets/datasets-page.js')).DatasetsPage }),
  },
  {
    path: 'datasets/new',
    lazy: async () => ({ Component: (await import('../pages/datasets/new-dataset-page.js')).NewDatasetPage }),
  },
  {
    path: 'datasets/:id',
    lazy: async () => ({ Component: (await import('../pages/datasets/dataset-page.js')).DatasetPage }),
  },
  { path: 'training', lazy: async () => ({ Component: (await import('../pages/training/runs-page.js')).RunsPage }) },
  {
    path: 'training/new',
    lazy: async () => ({ Component: (await import('../pages/training/new-run-page.js')).NewRunPage }),
  },
  {
    path: 'training/compare',
    lazy: async () => ({ Component: (await import('../pages/training/compare-page.js')).ComparePage }),
  },
  { path: 'training/:id', lazy: async () => ({ Component: (await import('../pages/training/run-page.js')).RunPage }) },
  {
    path: 'leaderboards',
    lazy: async () => ({ Component: (await import('../pages/leaderboards/leaderboards-page.js')).LeaderboardsPage }),
  },
  {
    path: 'leaderboards/:id',
    lazy: async () => ({ Component: (await import('../pages/leaderboards/leaderboard-page.js')).LeaderboardPage }),
  },
  { path: 'models', lazy: async () => ({ Component: (await import('../pages/models/models-page.js')).ModelsPage }) },
  {
    path: 'models/:name',
    lazy: async () => ({ Component: (await import('../pages/models/model-page.js')).ModelPage }),
  },
  {
    path: 'models/:name/:version',
    lazy: async () => ({ Component: (await import('../pages/models/version-page.js')).VersionPage }),
  },
  { path: 'jobs', lazy: async () => ({ Component: (await import('../pages/jobs/jobs-page.js')).JobsPage }) },
  { path: 'jobs/:id', lazy: async () => ({ Component: (await import('../pages/jobs/job-page.js')).JobPage }) },
  {
    path: 'settings',
    lazy: async () => ({ Component: (await import('../pages/settings/settings-page.js')).SettingsPage }),
  },
  { path: '*', Component: NotFoundPage },
];

export const router = createBrowserRouter([
  { path: '/sign-in', Component: SignInPage, ErrorBoundary: ErrorPage },
  {
    path: '/',
    Component: SignedIn,
    ErrorBoundary: ErrorPage,
    HydrateFallback: LoadingView,
    children: [{ ErrorBoundary: ErrorPage, children: pages }],
  },
]);
