import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { file, guarded, queries } from '../schemas.js';

/** Twenty customers of the 16-feature table with its target: what a file for `kind: features` looks like. */
const FEATURES = `age,gender,total_orders,avg_order_value,days_since_first_purchase,days_since_last_purchase,total_page_views,avg_session_duration,bounce_rate,return_rate,category_diversity,premium_category_ratio,email_opens,email_clicks,promo_code_usage,customer_segment,clv
31,Other,2,7.83,178,151,42,33.92,0.2709,0.2267,6,0.7516,13,2,1,B,78.48
64,M,4,56.75,546,164,53,23.56,0.2965,0.3769,8,0.1742,10,2,0,C,220.95
57,Other,6,32.3,821,15,39,15.64,0.235,0.1375,6,0.7288,11,3,1,D,188.14
61,Other,3,25.46,536,41,55,116.3,0.0786,0.3718,5,0.0986,15,3,0,C,61.61
78,Other,6,54.22,347,168,53,26.83,0.1767,0.1641,7,0.5989,14,2,0,C,137.08
33,M,8,61.27,532,97,52,45.23,0.3775,0.281,8,0.3421,11,4,1,C,322.26
31,F,5,20.61,498,78,50,27.54,0.2188,0.3043,7,0.2536,4,2,1,C,168.7
47,Other,13,17.08,591,112,59,37.64,0.49,0.1484,9,0.5325,8,2,0,D,188.51
75,F,8,18.52,841,11,47,23.79,0.2771,0.1613,4,0.531,11,1,0,C,49.36
46,M,8,44.26,586,58,62,117.96,0.295,0.43,3,0.5416,10,3,0,B,215.31
31,F,2,52.4,442,59,38,15.1,0.0672,0.2301,7,0.0784,9,1,0,A,137.37
34,F,6,14.85,866,13,49,17.97,0.1429,0.4934,1,0.0677,6,2,0,A,0
23,Other,4,54.26,235,103,51,72.25,0.1903,0.2476,8,0.4223,11,2,0,B,261.57
32,M,5,15.53,802,33,60,23.65,0.0719,0.3516,6,0.3915,5,4,0,D,4.82
29,F,1,42.91,590,60,46,100.64,0.2768,0.2828,1,0.0784,9,0,0,B,110.9
53,M,7,25.85,117,19,45,95.5,0.2946,0.4231,4,0.366,13,3,0,C,106.67
36,F,2,18.73,660,57,54,36.27,0.4001,0.2319,8,0.1592,6,1,0,A,118.42
52,F,3,24.93,572,159,55,14.12,0.1254,0.1879,9,0.349,19,3,0,C,140.58
33,M,1,51.0,555,143,55,51.09,0.0988,0.303,7,0.3351,9,0,0,C,156.62
43,Other,6,40.51,273,122,48,34.0,0.3935,0.5355,9,0.3564,12,2,0,C,230.62
`;

/** An order history: what a file for `kind: transactions` looks like. */
const ORDERS = `customer_id,order_id,order_date,category,amount
C1002,50001,2025-01-14 00:00:00,Books,55.44
C1004,50002,2025-01-20 00:00:00,Toys,11.65
C1001,50003,2025-02-12 00:00:00,Toys,80.21
C1006,50004,2025-02-12 00:00:00,Toys,54.07
C1004,50005,2025-02-26 00:47:00,Garden,39.02
C1006,50006,2025-03-02 13:02:00,Kitchen,44.77
C1001,50007,2025-03-02 14:00:00,Books,47.69
C1004,50008,2025-03-25 10:00:00,Books,71.08
C1009,50009,2025-04-16 00:00:00,Toys,110.52
C1005,50010,2025-04-24 00:00:00,Kitchen,59.08
C1004,50011,2025-04-26 11:45:00,Garden,48.45
C1010,50012,2025-04-29 00:00:00,Toys,68.64
C1011,50013,2025-05-25 00:00:00,Kitchen,86.53
C1003,50014,2025-05-26 00:00:00,Toys,12.74
C1007,50015,2025-06-02 00:00:00,Toys,13.84
C1012,50016,2025-06-04 00:00:00,Garden,35.95
C1012,50017,2025-06-13 02:29:00,Toys,66.94
C1007,50018,2025-06-22 04:36:00,Toys,85.46
C1008,50019,2025-06-25 00:00:00,Kitchen,8.57
C1005,50020,2025-06-30 06:10:00,Kitchen,34.32
C1007,50021,2025-07-09 05:38:00,Kitchen,79.77
C1004,50022,2025-07-14 23:54:00,Books,70.34
C1011,50023,2025-07-18 11:39:00,Toys,115.18
C1012,50024,2025-08-01 04:37:00,Books,58.06
C1005,50025,2025-08-01 18:05:00,Garden,15.33
C1011,50026,2025-08-15 13:03:00,Garden,23.25
C1008,50027,2025-09-01 06:03:00,Garden,75.64
C1005,50028,2025-09-18 03:02:00,Toys,105.77
C1008,50029,2025-11-12 07:03:00,Garden,93.58
C1005,50030,2025-11-23 07:56:00,Books,19.46
`;

/** A file to try the system with. */
export const sampleRoutes: FastifyPluginAsyncZod = async (app) => {
  app.get(
    '/sample.csv',
    {
      schema: {
        operationId: 'getSample',
        summary: 'Download a small sample of the 16-feature table or of an order history, to see what to upload',
        tags: ['datasets'],
        querystring: queries.sample,
        response: { 200: file('The sample', 'text/csv'), ...guarded('invalid-input') },
      },
    },
    async (request, reply) => {
      const { kind } = request.query;
      return reply
        .header('content-type', 'text/csv; charset=utf-8')
        .header('content-disposition', `attachment; filename="sample${kind === 'features' ? '' : '-orders'}.csv"`)
        .send(kind === 'features' ? FEATURES : ORDERS);
    },
  );
};
