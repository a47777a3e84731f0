import { createSlice } from '@reduxjs/toolkit';

const connection = createSlice({
  name: 'connection',
  initialState: { lost: false },
  reducers: {
    /** a request got no answer, or the browser says that it is offline */
    connectionLost: (state) => {
      state.lost = true;
    },
    /** the gateway has answered */
    connectionRestored: (state) => {
      state.lost = false;
    },
  },
});

/** Whether the gateway answers: what the offline banner stands on. */
export const connectionReducer = connection.reducer;
export const { connectionLost, connectionRestored } = connection.actions;
